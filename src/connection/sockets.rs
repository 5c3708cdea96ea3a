//! What the kernel says about sockets at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::{Connection, Error, diag};

/// Sockets and addresses of the calling thread's network namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Sockets {
    /// All TCP sockets that are neither listening nor closed.
    pub connections: Vec<Connection>,
    /// Local ports with a TCP listener.
    pub listening: BTreeSet<u16>,
    /// Inodes of Unix sockets and of their other ends.
    pub unix_peers: BTreeMap<u64, u64>,
    /// Addresses of this host's interfaces.
    pub own: BTreeSet<IpAddr>,
}

impl Sockets {
    /// Asks the kernel.
    ///
    /// # Errors
    /// As [`diag::current`] and `getifaddrs(3)`.
    pub fn read() -> Result<Self, Error> {
        Ok(Self {
            connections: diag::current()?,
            listening: diag::listening()?,
            // Without the module unix_diag no tmux client is found, which errs towards refusal.
            unix_peers: diag::unix_peers().unwrap_or_default(),
            own: own_addresses()?,
        })
    }

    /// The connections whose sockets are among `inodes`, oldest socket first.
    pub fn held(&self, inodes: &BTreeSet<u64>) -> Vec<Connection> {
        let held = self.connections.iter();
        let mut held: Vec<_> = held.filter(|one| inodes.contains(&one.inode)).collect();
        held.sort_by_key(|one| one.inode);
        held.into_iter().cloned().collect()
    }
}

/// The addresses of this host, in the calling thread's network namespace.
///
/// # Errors
/// [`Error::Addresses`].
pub(super) fn own_addresses() -> Result<BTreeSet<IpAddr>, Error> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(|errno| Error::Addresses(errno.into()))?;
    let address = |storage: nix::sys::socket::SockaddrStorage| {
        let v4 = storage
            .as_sockaddr_in()
            .map(|one| SocketAddr::V4((*one).into()));
        let v6 = storage
            .as_sockaddr_in6()
            .map(|one| SocketAddr::V6((*one).into()));
        Some(v4.or(v6)?.ip().to_canonical())
    };
    Ok(interfaces.filter_map(|one| address(one.address?)).collect())
}
