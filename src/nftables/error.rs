//! What can go wrong between this program and nf_tables.

use rustix::io::Errno;

use crate::netlink;

/// Why a ruleset could not be captured, translated or brought about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else committed rules between the capture and the batch (`ERESTART`); nothing was changed.
    #[error("somebody else changed the rules at the same moment; nothing was changed")]
    Concurrent,
    /// The kernel refused an object; nothing was changed.
    #[error("the kernel refused {object}: {errno}; nothing was changed")]
    Refused {
        /// The kernel's error number.
        errno: Errno,
        /// The object, in words: `rule in chain INPUT of table ip filter`.
        object: String,
    },
    /// The batch is larger than this process may send; nothing was changed.
    #[error(
        "the change takes one message of {bytes} bytes, more than this process may send: \
         raise the sysctl net.core.wmem_max above that, or run as root outside a user namespace; \
         nothing was changed"
    )]
    BufferTooSmall {
        /// Length of the batch, in bytes.
        bytes: usize,
    },
    /// The rules kept changing while they were being read.
    #[error("the rules kept changing for {seconds} seconds while they were being read")]
    Unsettled {
        /// How long it was tried, in seconds.
        seconds: u64,
    },
    /// A rule matches against an ipset that has no counterpart.
    #[error(
        "a rule in chain {chain} of table {table} refers to the ipset with index {index}, which is not known"
    )]
    UnknownSetIndex {
        /// The kernel's index of the ipset.
        index: u16,
        /// The table, as `ip filter`.
        table: String,
        /// The chain's name.
        chain: String,
    },
    /// All is in place but a last step; until then the rules drop more than they should.
    #[error("the rules are in place, but {step} failed: {errno}")]
    Unfinished {
        /// The step, in words.
        step: String,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The socket failed, or the kernel's answer made no sense.
    #[error("netlink: {0}")]
    Netlink(#[from] netlink::Error),
}
