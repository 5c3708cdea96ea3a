//! Network namespaces: the caller's, and scratch ones.

mod links;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

pub use links::{interface_names, interfaces};

/// Interfaces of the host that a scratch namespace gets at most, besides those that are asked for.
const INTERFACES_MAX: usize = 64;

/// A network namespace that lives as long as this value (or a process in it) does.
///
/// The kernel destroys it with the last reference, so nothing is left behind
/// when the process is killed.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
}

impl NetNs {
    /// A new, empty namespace; needs `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// What `unshare(2)` says; without privilege an error of kind
    /// `PermissionDenied` that says which one is missing.
    pub fn scratch() -> io::Result<Self> {
        let made = thread::scope(|scope| {
            scope
                .spawn(|| {
                    unshare(CloneFlags::CLONE_NEWNET)?;
                    File::open("/proc/thread-self/ns/net")
                })
                .join()
        });
        let file = made
            .unwrap_or_else(|_| Err(io::Error::other("the thread died")))
            .map_err(|error| {
                if error.kind() != io::ErrorKind::PermissionDenied {
                    return error;
                }
                let reason = "making a network namespace needs CAP_SYS_ADMIN: run as root";
                io::Error::new(io::ErrorKind::PermissionDenied, reason)
            })?;
        Ok(Self { fd: file.into() })
    }

    /// A new namespace with `lo` up, the interfaces of the caller's by name and index, and an
    /// interface of each name in `devices` (at most 15 bytes each), all down and without
    /// addresses: `iif eth0` in an nft script becomes an index as it is loaded; rules of family
    /// netdev and flowtables load only where the devices that they name exist. Of very many
    /// interfaces only the first ones are made.
    ///
    /// # Errors
    /// As [`NetNs::scratch`]; what the kernel says to an interface, with its name.
    pub fn host_like(devices: &BTreeSet<String>) -> io::Result<Self> {
        let namespace = Self::scratch()?;
        let mut known = interfaces()?;
        // A namespace of a thousand interfaces takes seconds to make and to unmake; those of
        // containers have the higher indexes.
        let first: Vec<u32> = known.keys().copied().take(INTERFACES_MAX).collect();
        known.retain(|index, name| first.contains(index) || devices.contains(name));
        namespace.enter(|| {
            links::raise_loopback()?;
            links::add(&known, devices)
        })??;
        Ok(namespace)
    }

    /// Runs `work` on a thread inside the namespace; its sockets and child
    /// processes belong to the namespace.
    ///
    /// # Errors
    /// What `setns(2)` says.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let done = thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(self.fd.as_fd(), CloneFlags::CLONE_NEWNET)?;
                    Ok(work())
                })
                .join()
        });
        done.unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace died")))
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Tells one network namespace from another: device and inode of its `ns/net` file.
///
/// # Errors
/// When the link cannot be read (for PID 1 this needs privilege).
pub fn identity(pid: &str) -> io::Result<(u64, u64)> {
    let meta = std::fs::metadata(format!("/proc/{pid}/ns/net"))?;
    Ok((meta.dev(), meta.ino()))
}
