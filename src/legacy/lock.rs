//! The lock that all legacy tools take before they change a table.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use crate::exec;

/// Names the lock file for the tools (`iptables/xshared.c`, since 1.8.3).
const LOCKFILE_ENV: &str = "XTABLES_LOCKFILE";

/// How to deal with the lock file, which all namespaces of a host share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The lock file; `None` leaves it to the tool (`XTABLES_LOCKFILE` of this
    /// process, else `/run/xtables.lock`).
    pub file: Option<PathBuf>,
    /// How long to wait for another holder; whole seconds, at least 1.
    pub wait: Duration,
    /// Whether to go on without the lock after that time. Each table is
    /// replaced atomically all the same; only a rollback should do this.
    pub bypass: bool,
    /// How long the tool may take for one table, waiting included.
    pub deadline: Duration,
}

impl Lock {
    /// Waits up to `wait`, then gives up.
    #[must_use]
    pub const fn wait(wait: Duration) -> Self {
        Self {
            file: None,
            wait,
            bypass: false,
            deadline: exec::DEFAULT_DEADLINE,
        }
    }

    /// Waits up to `wait`, then goes on without the lock.
    #[must_use]
    pub const fn bypass_after(wait: Duration) -> Self {
        Self {
            file: None,
            wait,
            bypass: true,
            deadline: exec::DEFAULT_DEADLINE,
        }
    }

    /// Uses this lock file instead of the host's.
    #[must_use]
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Kills the tool when one table takes it longer.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The value of `-w`.
    pub(super) fn wait_seconds(&self) -> String {
        self.wait.as_secs().max(1).to_string()
    }

    /// The environment variable that names the lock file, where one is set.
    pub(super) fn env(&self) -> Option<(&'static str, PathBuf)> {
        Some((LOCKFILE_ENV, self.file.clone()?))
    }
}

/// A lock file in memory that nobody else can hold; it needs no directory that
/// can be written to.
#[derive(Debug)]
pub(super) struct PrivateLock {
    file: File,
}

impl PrivateLock {
    pub(super) fn new() -> Result<Self, Errno> {
        const NAME: &str = "safe-apply-xtables-lock";
        // Kernels before 6.3 do not know NOEXEC_SEAL, later ones may insist on it.
        let fd = match memfd_create(NAME, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => memfd_create(NAME, MemfdFlags::CLOEXEC)?,
            other => other?,
        };
        Ok(Self { file: fd.into() })
    }

    /// The environment variable that leads a tool to this file.
    pub(super) fn env(&self) -> (&'static str, PathBuf) {
        let path = format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd());
        (LOCKFILE_ENV, path.into())
    }
}
