//! The sockets that probes are sent from.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::BindToDevice;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, bind, connect, getsockname, ipproto, send,
    socket_with, sockopt,
};

use super::super::{Flow, Protocol};
use super::errors;
use super::ports;
use super::user::act_as;
use super::{Probe, Side};

/// How many ports are tried before none is said to be free.
const PORTS_TRIED: usize = 64;
/// `ICMP_ECHO`, `linux/icmp.h`.
const V4_ECHO: u8 = 8;
/// `ICMPV6_ECHO_REQUEST`, `linux/icmpv6.h`.
const V6_ECHO: u8 = 128;
/// `struct icmphdr`, `struct icmp6hdr`.
pub(super) const ICMP_BYTES: usize = 8;

/// Makes the socket of a probe in the calling thread's namespace, bound and not yet connected.
/// Leaves the thread with the probe's user.
pub(super) fn open(probe: &Probe, avoided: &[u16]) -> io::Result<OwnedFd> {
    let v6 = probe.destination.is_ipv6();
    if probe.source.is_ipv6() != v6 {
        let reason = "source and destination are of different families";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    act_as(match probe.side {
        Side::Host => probe.uid,
        Side::World => 0,
    })?;
    let (kind, protocol) = match probe.protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Icmp if v6 => (SocketType::DGRAM, ipproto::ICMPV6),
        Protocol::Icmp => (SocketType::DGRAM, ipproto::ICMP),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(family(v6), kind, flags, Some(protocol))?;
    errors::keep(fd.as_fd(), v6)?;
    if probe.protocol == Protocol::Tcp {
        sockopt::set_tcp_nodelay(&fd, true)?;
        // Closing resets: nothing is sent or kept about a connection that was asked enough.
        sockopt::set_socket_linger(&fd, Some(Duration::ZERO))?;
    }
    if let Some(device) = &probe.device {
        bind_to_device(&fd, device)?;
    }
    freebind(&fd, v6)?;
    bind_source(&fd, probe, avoided)?;
    Ok(fd)
}

/// `SO_BINDTODEVICE`.
pub(super) fn bind_to_device(fd: &OwnedFd, device: &str) -> io::Result<()> {
    let bound = setsockopt(fd, BindToDevice, &device.into());
    bound.map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("interface `{device}`: {error}"))
    })
}

/// Lets a socket have an address that no interface has.
pub(super) fn freebind(fd: &OwnedFd, v6: bool) -> io::Result<()> {
    if v6 {
        sockopt::set_ipv6_freebind(fd, true)?;
    } else {
        sockopt::set_ip_freebind(fd, true)?;
    }
    Ok(())
}

/// The address family of sockets.
pub(super) const fn family(v6: bool) -> AddressFamily {
    if v6 {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    }
}

fn bind_source(fd: &OwnedFd, probe: &Probe, avoided: &[u16]) -> io::Result<()> {
    let mut source = in_scope(probe.source, probe);
    if probe.protocol == Protocol::Icmp {
        source.set_port(0);
        return Ok(bind(fd, &source)?);
    }
    if source.port() != 0 {
        // Somebody else's connection from that port to somewhere else is no obstacle.
        sockopt::set_socket_reuseaddr(fd, true)?;
        return Ok(bind(fd, &source)?);
    }
    let mut result = Err(Errno::ADDRINUSE);
    for _ in 0..PORTS_TRIED {
        source.set_port(ports::fresh(avoided));
        result = bind(fd, &source);
        if result != Err(Errno::ADDRINUSE) {
            break;
        }
    }
    Ok(result?)
}

/// The number of an interface is the host's, and may be another one in the world: there the
/// device says which one is meant.
fn in_scope(address: SocketAddr, probe: &Probe) -> SocketAddr {
    let mut address = address;
    if let SocketAddr::V6(v6) = &mut address
        && probe.device.is_some()
    {
        v6.set_scope_id(0);
    }
    address
}

/// How the first packet fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    /// It went off.
    Sent,
    /// A rule of the sender's own side dropped it: `EPERM`.
    Barred,
    /// It was refused at once.
    Rejected,
    /// It could not be sent: why.
    Unsent(String),
}

/// Sends the first packet of a probe: a `SYN`, or `payload`. Tells the flow, too.
pub(super) fn begin(fd: &OwnedFd, probe: &Probe, payload: &[u8]) -> (Flow, Begun) {
    let destination = in_scope(probe.destination, probe);
    // The socket of an echo request has an identifier where others have ports.
    let connected = connect(fd, &destination);
    let mut flow = flow(probe, probe.source);
    if let Ok(Ok(source)) = getsockname(fd).map(SocketAddr::try_from) {
        flow = self::flow(probe, source);
    }
    let sent = match (connected, probe.protocol) {
        (Ok(()) | Err(Errno::INPROGRESS), Protocol::Tcp) => Ok(()),
        (Ok(()), Protocol::Udp) => transmit(fd, payload),
        (Ok(()), Protocol::Icmp) => transmit(fd, &echo_request(flow.source.is_ipv6(), payload)),
        (Err(error), _) => Err(error),
    };
    let begun = match sent {
        Ok(()) => Begun::Sent,
        Err(Errno::PERM) => Begun::Barred,
        Err(Errno::CONNREFUSED) => Begun::Rejected,
        Err(error) => Begun::Unsent(io::Error::from(error).to_string()),
    };
    (flow, begun)
}

fn transmit(fd: &OwnedFd, data: &[u8]) -> Result<(), Errno> {
    send(fd, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).map(drop)
}

/// Identifier and checksum are filled in by the kernel (`net/ipv4/ping.c`).
fn echo_request(v6: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; ICMP_BYTES];
    if let Some(kind) = packet.first_mut() {
        *kind = if v6 { V6_ECHO } else { V4_ECHO };
    }
    packet.extend_from_slice(payload);
    packet
}

/// A flow is known by addresses and ports alone.
pub(super) fn flow(probe: &Probe, source: SocketAddr) -> Flow {
    let port = |address: SocketAddr| match probe.protocol {
        Protocol::Tcp | Protocol::Udp => address.port(),
        Protocol::Icmp => 0,
    };
    Flow {
        protocol: probe.protocol,
        source: SocketAddr::new(source.ip(), port(source)),
        destination: SocketAddr::new(probe.destination.ip(), port(probe.destination)),
    }
}

/// Whether an address belongs to the calling thread's namespace.
pub(super) fn is_own(address: SocketAddr) -> bool {
    let mut address = address;
    address.set_port(0);
    let flags = SocketFlags::CLOEXEC;
    let family = family(address.is_ipv6());
    socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))
        .is_ok_and(|fd| bind(&fd, &address).is_ok())
}
