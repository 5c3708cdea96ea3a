//! The directories of transactions: created, found, listed, pruned.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Id, State};
use crate::paths::Paths;

pub use super::directory::Transaction;
pub use super::durable::write_durably;
pub use super::meta::{Meta, Persist, RulesFile, Work};

/// Pause before another ID is tried.
const SAME_SECOND_PAUSE: Duration = Duration::from_millis(20);

/// All transactions of an installation.
#[derive(Debug, Clone)]
pub struct Store {
    paths: Paths,
}

impl Store {
    /// The store below `paths`; nothing is created yet.
    #[must_use]
    pub const fn new(paths: Paths) -> Self {
        Self { paths }
    }

    /// The directories it works in.
    #[must_use]
    pub const fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Makes the state and runtime directories.
    ///
    /// # Errors
    /// What the kernel says, with the directory's name.
    pub fn prepare(&self) -> Result<()> {
        // The runtime directory is entered by members of the confirming group; the state is root's alone.
        make_dir(&self.paths.run, 0o755)?;
        make_dir(&self.paths.state, 0o700)?;
        make_dir(&self.paths.transactions(), 0o700)
    }

    /// Makes the directory of a new transaction.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<Transaction> {
        self.prepare()?;
        let newest = self.list()?.pop().map(|transaction| transaction.id);
        loop {
            let transaction = self.get(Id::generate());
            // Sorted by ID is sorted by time, also within one second.
            if newest
                .as_ref()
                .is_some_and(|newest| *newest >= transaction.id)
            {
                std::thread::sleep(SAME_SECOND_PAUSE);
                continue;
            }
            match DirBuilder::new().mode(0o700).create(transaction.dir()) {
                Ok(()) => return Ok(transaction),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot create {}", transaction.dir().display()));
                }
            }
        }
    }

    /// The transaction called `id`, whether it exists or not.
    #[must_use]
    pub fn get(&self, id: Id) -> Transaction {
        Transaction::of(&self.paths, id)
    }

    /// All transactions, oldest first.
    ///
    /// # Errors
    /// When the directory cannot be read; a missing one holds none.
    pub fn list(&self) -> Result<Vec<Transaction>> {
        let dir = self.paths.transactions();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", dir.display()));
            }
        };
        let mut ids: Vec<Id> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort();
        Ok(ids.into_iter().map(|id| self.get(id)).collect())
    }

    /// Removes the oldest closed transactions beyond the newest `keep`.
    ///
    /// # Errors
    /// When the directory cannot be read. What cannot be removed stays.
    pub fn prune(&self, keep: usize) -> Result<()> {
        let all = self.list()?;
        let surplus = all.len().saturating_sub(keep);
        for transaction in all.into_iter().take(surplus) {
            let never_begun =
                !transaction.journal().exists() && !transaction.volatile_journal().exists();
            // The checkpoint of an incomplete rollback may still be needed.
            let settled = transaction.last().is_ok_and(|last| {
                last.is_some_and(|record| {
                    record.detail.finished && !matches!(record.state, State::RestoreFailed { .. })
                })
            });
            if never_begun || settled {
                // Old history is a convenience; a full or read-only disk is no reason to fail.
                let _ = fs::remove_dir_all(transaction.dir());
                let _ = fs::remove_file(transaction.volatile_journal());
            }
        }
        Ok(())
    }
}

/// Makes a directory with this mode, whatever the umask is; one that is there stays as it is.
fn make_dir(path: &Path, mode: u32) -> Result<()> {
    let make = || {
        if path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(mode).create(path)?;
        fs::set_permissions(path, Permissions::from_mode(mode))
    };
    make().with_context(|| format!("cannot create {}", path.display()))
}
