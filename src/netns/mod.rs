//! Network namespaces: the caller's, and scratch ones.

mod links;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

pub use links::{interface_names, interfaces};

/// Indexes from here on are of interfaces that the host has not.
const NOT_OF_HOST: u32 = 1 << 24;

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

    /// A new namespace with `lo` up and an interface of each name in `devices`
    /// (at most 15 bytes each), down and without addresses: rules of family
    /// netdev and flowtables load only where the devices that they name exist.
    /// What the calling thread's namespace has too has the same index here.
    ///
    /// # Errors
    /// As [`NetNs::scratch`]; what the kernel says to an interface, with its name.
    pub fn host_like(devices: &BTreeSet<String>) -> io::Result<Self> {
        let host = interfaces()?;
        let namespace = Self::scratch()?;
        let of_host = devices
            .iter()
            .filter_map(|name| Some((name.clone(), *host.get(name)?)));
        let others = (NOT_OF_HOST..).zip(devices);
        let others = others.map(|(index, name)| (name.clone(), index)).collect();
        namespace.enter(links::raise_loopback)??;
        namespace.furnish(&of_host.collect())?;
        namespace.furnish(&others)?;
        Ok(namespace)
    }

    /// Adds interfaces by name and index (0: any), down and without addresses, where they are missing.
    ///
    /// # Errors
    /// What the kernel says to an interface, with its name.
    pub fn furnish(&self, devices: &BTreeMap<String, u32>) -> io::Result<()> {
        self.enter(|| links::add(devices))?
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
