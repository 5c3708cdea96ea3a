//! One transaction at a time: a lock in the runtime directory, and who holds it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::guardian_unit;
use crate::paths::Paths;
use crate::transaction::Id;
use crate::transaction::store::write_durably;

/// How often a held lock is looked at again; there is no event for `flock(2)` with a deadline.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Held by the guardian, or by whoever settles what a dead one left; the kernel
/// releases it with the process.
///
/// It is held on a file in the runtime directory and on the state directory itself:
/// one that is removed and made anew must not make a second owner.
#[derive(Debug)]
pub struct RunLock {
    _held: Vec<File>,
}

impl RunLock {
    /// Takes the lock; `None` when somebody else still has it after `wait`.
    ///
    /// # Errors
    /// When neither of the two can be opened; a full `/run` must not stop a rollback.
    pub fn take(paths: &Paths, wait: Duration) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(paths.run.join("lock"));
        let to_hold = match (File::open(&paths.state), file) {
            (Ok(state), Ok(file)) => vec![state, file],
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => vec![one],
            (Err(_), Err(error)) => return Err(error),
        };
        let until = Instant::now() + wait;
        for file in &to_hold {
            if !lock_until(file, until)? {
                return Ok(None);
            }
        }
        Ok(Some(Self { _held: to_hold }))
    }
}

fn lock_until(file: &File, until: Instant) -> io::Result<bool> {
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                std::thread::sleep(LOOK_AGAIN);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The processes that own the pending transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// The transaction.
    pub transaction: Id,
    /// The guardian.
    pub guardian: i32,
    /// Who takes over; none where systemd does.
    pub successor: Option<i32>,
}

fn path(paths: &Paths) -> PathBuf {
    paths.run.join("guardian.json")
}

/// Writes down who owns the transaction.
///
/// # Errors
/// When the runtime directory does not take it.
pub fn record(paths: &Paths, pids: &Pids) -> anyhow::Result<()> {
    write_durably(&path(paths), &serde_json::to_vec(pids)?)
}

/// Removes what [`record`] wrote.
pub fn forget(paths: &Paths) {
    // Stale pids are told from live ones by what runs under them.
    let _ = fs::remove_file(path(paths));
}

/// Who owned the transaction last, and whether the successor is still there to take over.
#[must_use]
pub fn pids(paths: &Paths) -> Option<Pids> {
    serde_json::from_slice(&fs::read(path(paths)).ok()?).ok()
}

/// Whether the successor written down is alive, and is what it was; or systemd is about to
/// start the guardian again.
#[must_use]
pub fn successor_lives(paths: &Paths) -> bool {
    let Some(pids) = pids(paths) else {
        return false;
    };
    let transaction = pids.transaction;
    let Some(pid) = pids.successor else {
        return guardian_unit::is_up(transaction.as_str());
    };
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.contains(&&b"__successor"[..]) && words.contains(&transaction.as_str().as_bytes())
    })
}
