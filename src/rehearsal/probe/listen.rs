//! Sockets in place of those that wait for others.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use rustix::net::{SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};
use tokio::runtime;
use tokio::sync::watch;

use super::super::Protocol;
use super::Side;
use super::user::act_as;
use super::{converse, sockets, speech};
use crate::netns::NetNs;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A socket that shall wait for others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// TCP or UDP; ICMP is the kernel's to answer.
    pub protocol: Protocol,
    /// Address, which may be unspecified, and port.
    pub address: SocketAddr,
    /// Whether an IPv6 socket takes no IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
    /// The interface that it is bound to (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// The user that it belongs to, which rules may match on.
    pub uid: u32,
    /// Whether it greets as SSH servers do.
    pub ssh: bool,
}

/// A socket that could not be opened.
#[derive(Debug)]
pub struct Missing {
    /// Which.
    pub wanted: Wanted,
    /// What the kernel said.
    pub error: io::Error,
}

/// Sockets that listen in a namespace and answer whatever comes, on a thread of their own, until this is dropped.
///
/// TCP: a greeting line, then an echo. UDP: an echo, from the address that was asked.
/// All of it bears the name of its side, and belongs to the user that was wanted.
#[derive(Debug)]
pub struct Audience {
    /// Counts what is said unasked; dropped, the thread ends.
    wall: Option<watch::Sender<u32>>,
    thread: Option<JoinHandle<()>>,
    missing: Vec<Missing>,
}

/// A socket, and what it was made from.
struct Open {
    wanted: Wanted,
    fd: OwnedFd,
}

impl Audience {
    /// Opens each of these sockets in the namespace, which is on this side; several that
    /// differ in nothing are one. Those that cannot be opened are in [`Audience::missing`].
    ///
    /// # Errors
    /// When the namespace cannot be entered, or there is no thread to be had.
    pub fn open(namespace: &NetNs, side: Side, sockets: &[Wanted]) -> io::Result<Self> {
        let wanted: BTreeSet<&Wanted> = sockets
            .iter()
            .filter(|wanted| wanted.protocol != Protocol::Icmp)
            .collect();
        let made = namespace.enter(|| {
            let make = |wanted: &&Wanted| ((*wanted).clone(), make(wanted));
            wanted.iter().map(make).collect::<Vec<_>>()
        })?;
        let mut open = Vec::new();
        let mut missing = Vec::new();
        for (wanted, made) in made {
            match made {
                Ok(fd) => open.push(Open { wanted, fd }),
                Err(error) => missing.push(Missing { wanted, error }),
            }
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (wall, said) = watch::channel(0);
        let thread = thread::Builder::new()
            .name("audience".to_owned())
            .spawn(move || runtime.block_on(answer(open, side, said)))?;
        Ok(Self {
            wall: Some(wall),
            thread: Some(thread),
            missing,
        })
    }

    /// The sockets that could not be opened.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Says something to the old session, unasked; returns what it will hear, see [`converse::said`].
    pub(super) fn speak(&self) -> Vec<u8> {
        let mut number = 0;
        if let Some(wall) = &self.wall {
            wall.send_modify(|count| {
                *count = count.wrapping_add(1);
                number = *count;
            });
        }
        converse::said(number)
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.wall = None;
        // Its sockets are closed when it has ended, not some time later.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn make(wanted: &Wanted) -> io::Result<OwnedFd> {
    act_as(wanted.uid)?;
    let v6 = wanted.address.is_ipv6();
    let (kind, protocol) = match wanted.protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp | Protocol::Icmp => (SocketType::DGRAM, ipproto::UDP),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(sockets::family(v6), kind, flags, Some(protocol))?;
    // The host has room for all of them, so there is room here.
    sockopt::set_socket_reuseaddr(&fd, true)?;
    sockopt::set_socket_reuseport(&fd, true)?;
    if v6 {
        sockopt::set_ipv6_v6only(&fd, wanted.v6_only)?;
    }
    if let Some(device) = &wanted.device {
        sockets::bind_to_device(&fd, device)?;
    }
    sockets::freebind(&fd, v6)?;
    bind(&fd, &wanted.address)?;
    if wanted.protocol == Protocol::Tcp {
        // Accepted connections have this from their listener: closed, they leave nothing behind.
        sockopt::set_socket_linger(&fd, Some(Duration::ZERO))?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        listen(&fd, BACKLOG)?;
    } else if v6 {
        setsockopt(&fd, Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(&fd, Ipv4PacketInfo, &true)?;
    }
    Ok(fd)
}

async fn answer(sockets: Vec<Open>, side: Side, mut said: watch::Receiver<u32>) {
    for Open { wanted, fd } in sockets {
        match wanted.protocol {
            Protocol::Tcp => {
                let greeting = speech::greeting(side, wanted.ssh);
                tokio::spawn(converse::accept(fd, wanted.uid, greeting, said.clone()));
            }
            Protocol::Udp | Protocol::Icmp => {
                tokio::spawn(converse::reply(fd, side));
            }
        }
    }
    while said.changed().await.is_ok() {}
}
