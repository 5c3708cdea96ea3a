//! `NETLINK_SOCK_DIAG`: the TCP, UDP and Unix sockets of the calling thread's network namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netlink::SOCK_DIAG;

use super::{Connection, Error, Tuple};
use crate::netlink::{self, Builder, Socket, find};

/// `TCP_ESTABLISHED`, `net/tcp_states.h`.
pub(super) const ESTABLISHED: u8 = 1;
/// `TCP_CLOSE`; UDP sockets that are not connected are in this state, too.
pub(crate) const CLOSE: u8 = 7;
/// `TCP_LISTEN`.
pub(crate) const LISTEN: u8 = 10;
/// `TCP_CLOSING`, the last state that can be asked for.
const CLOSING: u8 = 11;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
pub(crate) const IPPROTO_TCP: u8 = 6;
pub(crate) const IPPROTO_UDP: u8 = 17;
/// Length of `struct inet_diag_sockid`, in bytes.
const SOCKID_BYTES: usize = 48;
/// Where `idiag_if` stands in `struct inet_diag_msg`.
const INTERFACE_AT: usize = 40;
/// Length of `struct inet_diag_msg`, in bytes.
const INET_DIAG_MSG_BYTES: usize = 72;
/// Sent of every IPv6 socket that is listening or closed (`net/ipv4/inet_diag.c`).
const INET_DIAG_SKV6ONLY: u16 = 11;
/// `INET_DIAG_NOCOOKIE`: the kernel has no cookie for this socket.
const NO_COOKIE: u64 = u64::MAX;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_PEER: u16 = 2;
/// Length of `struct unix_diag_msg`, in bytes.
const UNIX_DIAG_MSG_BYTES: usize = 16;
/// How often a dump that the kernel calls inconsistent is repeated.
const ATTEMPTS: u32 = 5;

/// All TCP sockets that are neither listening nor closed, half-open ones included
/// (asking for `SYN_RECV` also gives request sockets, `net/ipv4/inet_diag.c`).
///
/// # Errors
/// [`Error::Connections`].
pub fn current() -> Result<Vec<Connection>, Error> {
    let states = (ESTABLISHED..=CLOSING).filter(|state| ![CLOSE, LISTEN].contains(state));
    tcp(states.map(bit).sum())
}

/// The local ports on which TCP sockets listen.
///
/// # Errors
/// [`Error::Connections`].
pub fn listening() -> Result<BTreeSet<u16>, Error> {
    let sockets = tcp(bit(LISTEN))?;
    Ok(sockets.iter().map(|one| one.tuple.local.port()).collect())
}

fn bit(state: u8) -> u32 {
    1 << state
}

fn tcp(states: u32) -> Result<Vec<Connection>, Error> {
    inet(IPPROTO_TCP, states, connection).map_err(Error::Connections)
}

/// A socket that is in no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its address, inode and user.
    pub socket: Connection,
    /// The index of the interface that it is bound to, or 0.
    pub interface: u32,
    /// Whether it takes no IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

/// The sockets of `protocol`, IPv4 and IPv6, that are in `state`: [`LISTEN`] or [`CLOSE`].
///
/// # Errors
/// What the kernel says; `ENOENT` without the module `tcp_diag` or `udp_diag`.
pub(crate) fn waiting(protocol: u8, state: u8) -> Result<Vec<Waiting>, netlink::Error> {
    inet(protocol, bit(state), |bytes| {
        let attributes = bytes.get(INET_DIAG_MSG_BYTES..)?;
        let v6_only = find(attributes, INET_DIAG_SKV6ONLY)
            .and_then(|flag| flag.payload.first())
            .is_some_and(|flag| *flag != 0);
        Some(Waiting {
            socket: connection(bytes)?,
            interface: number(bytes, INTERFACE_AT)?,
            v6_only,
        })
    })
}

/// The sockets of `protocol`, IPv4 and IPv6, that are in one of `states`, each read with `read`.
fn inet<T>(
    protocol: u8,
    states: u32,
    read: impl Fn(&[u8]) -> Option<T> + Copy,
) -> Result<Vec<T>, netlink::Error> {
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let mut request = vec![family, protocol, 0, 0];
        request.extend_from_slice(&states.to_ne_bytes());
        request.resize(request.len() + SOCKID_BYTES, 0);
        found.extend(dump(&request, read)?);
    }
    Ok(found)
}

/// Connected Unix sockets: the inode of each, and of the socket at its other end
/// (`linux/unix_diag.h`).
///
/// # Errors
/// What the kernel says; `ENOENT` without the module `unix_diag`.
pub(super) fn unix_peers() -> Result<BTreeMap<u64, u64>, netlink::Error> {
    let mut request = vec![AF_UNIX, 0, 0, 0];
    request.extend_from_slice(&bit(ESTABLISHED).to_ne_bytes());
    request.extend_from_slice(&0_u32.to_ne_bytes());
    request.extend_from_slice(&UDIAG_SHOW_PEER.to_ne_bytes());
    request.extend_from_slice(&[0; 8]);
    Ok(dump(&request, unix_pair)?.into_iter().collect())
}

/// Asks for a dump and reads each answer with `read`; answers it cannot read are left out.
fn dump<T>(request: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, netlink::Error> {
    let mut socket = Socket::open(SOCK_DIAG)?;
    let mut attempt = 1;
    loop {
        let sequence = socket.next_sequence();
        let mut message = Builder::new();
        message.begin(
            SOCK_DIAG_BY_FAMILY,
            NLM_F_REQUEST | NLM_F_DUMP,
            sequence,
            request,
        );
        message.end();
        let mut found = Vec::new();
        let done = socket.request(message.as_bytes(), sequence, |answer| {
            found.extend(read(answer.payload));
        });
        match done {
            Err(netlink::Error::Interrupted) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
            Ok(()) => return Ok(found),
        }
    }
}

/// Reads a `struct inet_diag_msg`: family, state, two timer fields, the socket id
/// (ports, addresses, interface, cookie), five 32-bit fields.
fn connection(bytes: &[u8]) -> Option<Connection> {
    let [family, state] = [*bytes.first()?, *bytes.get(1)?];
    let id = bytes.get(4..4 + SOCKID_BYTES)?;
    let port = |at: usize| Some(u16::from_be_bytes(id.get(at..at + 2)?.try_into().ok()?));
    let local = SocketAddr::new(address(family, id.get(4..20)?)?, port(0)?);
    let peer = SocketAddr::new(address(family, id.get(20..36)?)?, port(2)?);
    let low = number(id, 40)?;
    let high = number(id, 44)?;
    let cookie = u64::from(high) << 32 | u64::from(low);
    let rest = bytes.get(4 + SOCKID_BYTES..)?;
    Some(Connection {
        tuple: Tuple::new(local, peer),
        cookie: if cookie == NO_COOKIE { 0 } else { cookie },
        inode: u64::from(number(rest, 16)?),
        state,
        uid: number(rest, 12)?,
    })
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(..4)?).ok()?).into()),
        AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn unix_pair(bytes: &[u8]) -> Option<(u64, u64)> {
    let peer = find(bytes.get(UNIX_DIAG_MSG_BYTES..)?, UNIX_DIAG_PEER)?.ne32()?;
    Some((u64::from(number(bytes, 4)?), u64::from(peer)))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{connection, current, listening, unix_peers};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    fn inode(fd: &impl AsRawFd) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        let text = link.to_str().unwrap().to_owned();
        let digits = text.trim_start_matches("socket:[").trim_end_matches(']');
        digits.parse().unwrap()
    }

    #[test]
    fn an_accepted_socket_is_listed_with_its_inode() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let client = TcpStream::connect(here).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        let all = current().unwrap();
        let ours = all
            .iter()
            .find(|one| one.inode == inode(&accepted))
            .unwrap();
        assert_eq!((ours.tuple.local, ours.tuple.peer), (here, from));
        assert_ne!(ours.cookie, 0);
        let theirs = all.iter().find(|one| one.inode == inode(&client)).unwrap();
        assert_ne!(theirs.cookie, ours.cookie);
        assert!(!all.iter().any(|one| one.inode == inode(&listener)));
        assert!(listening().unwrap().contains(&here.port()));
    }

    #[test]
    fn a_connection_not_yet_accepted_keeps_its_cookie() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let _client = TcpStream::connect(here).unwrap();
        let of = |list: Vec<super::Connection>| {
            list.into_iter()
                .find(|one| one.tuple.local == here)
                .unwrap()
        };
        let waiting = of(current().unwrap());
        assert_eq!(waiting.inode, 0);
        let _accepted = listener.accept().unwrap();
        assert_eq!(of(current().unwrap()).cookie, waiting.cookie);
    }

    #[test]
    fn ipv4_over_an_ipv6_socket_is_ipv4() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let all = current().unwrap();
        let ours = all
            .iter()
            .find(|one| one.inode == inode(&accepted))
            .unwrap();
        assert_eq!(ours.tuple.peer, client.local_addr().unwrap());
    }

    #[test]
    fn unix_peers_point_at_each_other() {
        let (one, other) = UnixStream::pair().unwrap();
        let peers = unix_peers().unwrap();
        assert_eq!(peers.get(&inode(&one)), Some(&inode(&other)));
        assert_eq!(peers.get(&inode(&other)), Some(&inode(&one)));
    }

    #[test]
    fn a_short_answer_is_left_out() {
        assert_eq!(connection(&[2, 1, 0, 0, 9]), None);
        assert_eq!(connection(&[0; 72]), None);
    }
}
