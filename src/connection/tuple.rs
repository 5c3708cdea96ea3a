//! One TCP connection, and what tells it from others.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The two ends of a TCP connection, as this host sees them.
///
/// Written as `PEER -> LOCAL`: `198.51.100.7:50122 -> 198.51.100.2:22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tuple {
    /// This host's end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
}

impl Tuple {
    /// The connection between `local` and `peer`; IPv4-mapped IPv6 addresses
    /// become IPv4, scope ids and flow labels are dropped.
    #[must_use]
    pub fn new(local: SocketAddr, peer: SocketAddr) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        Self {
            local: plain(local),
            peer: plain(peer),
        }
    }

    /// Whether both ends are on this host, whose addresses are `own`.
    pub(super) fn is_within_host(&self, own: &std::collections::BTreeSet<IpAddr>) -> bool {
        let peer = self.peer.ip();
        peer.is_loopback() || peer == self.local.ip() || own.contains(&peer)
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.peer, self.local)
    }
}

/// A TCP socket that is not listening, as `struct inet_diag_msg` (`linux/inet_diag.h`) tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The two ends.
    pub tuple: Tuple,
    /// `idiag_cookie`: never given to two sockets between boot and shutdown. A socket
    /// takes it over from the half-open request it grew from
    /// (`inet_csk_clone_lock` in `net/ipv4/inet_connection_sock.c`). 0 when missing.
    pub cookie: u64,
    /// Inode of the socket as in `/proc/PID/fd`; 0 until a process has accepted it.
    pub inode: u64,
    /// `TCP_ESTABLISHED` (1) and so on, `net/tcp_states.h`.
    pub state: u8,
    /// The user that the socket belongs to.
    pub uid: u32,
}

#[cfg(test)]
mod tests {
    use super::Tuple;
    use std::collections::BTreeSet;

    fn tuple(local: &str, peer: &str) -> Tuple {
        Tuple::new(local.parse().unwrap(), peer.parse().unwrap())
    }

    #[test]
    fn mapped_addresses_become_ipv4() {
        assert_eq!(
            tuple("[::ffff:198.51.100.2]:22", "[::ffff:198.51.100.7]:50122"),
            tuple("198.51.100.2:22", "198.51.100.7:50122")
        );
    }

    #[test]
    fn scope_ids_are_dropped() {
        assert_eq!(
            tuple("[fe80::1%3]:22", "[fe80::2%3]:50122"),
            tuple("[fe80::1]:22", "[fe80::2]:50122")
        );
    }

    #[test]
    fn reads_from_peer_to_local() {
        assert_eq!(
            tuple("198.51.100.2:22", "198.51.100.7:50122").to_string(),
            "198.51.100.7:50122 -> 198.51.100.2:22"
        );
    }

    #[test]
    fn own_addresses_are_within_the_host() {
        let own = BTreeSet::from(["10.0.0.9".parse().unwrap()]);
        assert!(tuple("127.0.0.1:22", "127.0.0.9:5").is_within_host(&own));
        assert!(tuple("[::1]:22", "[::1]:5").is_within_host(&own));
        assert!(tuple("[::ffff:127.0.0.1]:22", "[::ffff:127.0.0.1]:5").is_within_host(&own));
        assert!(tuple("10.0.0.1:22", "10.0.0.9:5").is_within_host(&own));
        assert!(tuple("10.0.0.1:22", "10.0.0.1:5").is_within_host(&own));
        assert!(!tuple("10.0.0.9:22", "10.0.0.10:5").is_within_host(&own));
    }
}
