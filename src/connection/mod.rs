//! Does a process speak for a connection that was opened after the new rules went live?
//!
//! Which connections existed is asked of the kernel (`sock_diag(7)`), whose a process is
//! is read from `/proc` (`proc(5)`). Whatever cannot be seen counts as old.
//!
//! Needs root with `CAP_SYS_PTRACE`, without which the sockets of sshd's processes cannot be seen.
//! Out of sight are: connections half-open as SYN cookies, of which the kernel keeps
//! nothing to record (only under a flood of SYNs); a connection that left this host and was sent back
//! by a router with another address; who is behind a proxy on this host, which looks like the host itself.

mod arrivals;
mod assess;
pub(crate) mod diag;
mod evidence;
mod hint;
mod judge;
mod known;
mod origin;
pub(crate) mod process;
mod session;
mod sockets;
mod terminal;
mod tuple;
mod verdict;

pub use arrivals::arrivals;
pub use diag::{current, listening};
pub use hint::SSH_PORT;
pub use judge::judge;
pub use known::Known;
pub use origin::{Origin, origin};
pub use tuple::{Connection, Tuple};
pub use verdict::{Refusal, Verdict, Via};

/// Why the kernel's connections could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `NETLINK_SOCK_DIAG` failed; `ENOENT` means a kernel without `tcp_diag`.
    #[error("the TCP connections of this host could not be listed (kernel module tcp_diag): {0}")]
    Connections(#[source] crate::netlink::Error),
    /// `getifaddrs(3)` failed.
    #[error("the addresses of this host could not be listed: {0}")]
    Addresses(#[source] std::io::Error),
}

#[cfg(test)]
pub(crate) mod fake;
