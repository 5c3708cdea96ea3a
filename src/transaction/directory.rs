//! The directory of one transaction: what is in it, and under which name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Id;
use super::durable::write_durably;
use super::journal::{self, Record};
use super::meta::Meta;
use crate::paths::Paths;

/// The directory of one transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its ID.
    pub id: Id,
    dir: PathBuf,
    run: PathBuf,
}

impl Transaction {
    /// The transaction called `id` below `paths`, whether it exists or not.
    pub(super) fn of(paths: &Paths, id: Id) -> Self {
        Self {
            dir: paths.transactions().join(id.as_str()),
            run: paths.run.clone(),
            id,
        }
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file called `name` in its directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.file("journal")
    }

    /// The journal's copy in the runtime directory.
    #[must_use]
    pub fn volatile_journal(&self) -> PathBuf {
        self.run.join(format!("{}.journal", self.id))
    }

    /// What was live before.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
        self.file("checkpoint")
    }

    /// What is meant to be live after the apply; what was live after a command.
    #[must_use]
    pub fn applied(&self) -> PathBuf {
        self.file("applied")
    }

    /// The connections that existed when the candidate went live.
    #[must_use]
    pub fn known(&self) -> PathBuf {
        self.file("connections")
    }

    /// What was loaded at boot before.
    #[must_use]
    pub fn boot_state(&self) -> PathBuf {
        self.file("boot-state")
    }

    /// What was loaded at boot after the command.
    #[must_use]
    pub fn boot_state_applied(&self) -> PathBuf {
        self.file("boot-state-applied")
    }

    /// What was loaded at boot when the rollback had ended.
    #[must_use]
    pub fn boot_state_after(&self) -> PathBuf {
        self.file("boot-state-after")
    }

    /// Whether a guardian has taken it up.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.journal().exists() || self.volatile_journal().exists()
    }

    /// Removes one that no guardian has taken up.
    pub fn discard(&self) {
        // What stays is an empty name in the state directory.
        let _ = fs::remove_dir_all(&self.dir);
    }

    /// All records of the journal.
    ///
    /// # Errors
    /// As [`journal::read_both`].
    pub fn records(&self) -> Result<Vec<Record>, journal::Error> {
        journal::read_both(&self.journal(), &self.volatile_journal())
    }

    /// The last record of the journal.
    ///
    /// # Errors
    /// As [`journal::read_both`].
    pub fn last(&self) -> Result<Option<Record>, journal::Error> {
        Ok(self.records()?.pop())
    }

    /// Writes what the client knows.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write_meta(&self, meta: &Meta) -> Result<()> {
        write_durably(&self.file("meta.json"), &serde_json::to_vec_pretty(meta)?)
    }

    /// Reads what the client knew.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn meta(&self) -> Result<Meta> {
        let path = self.file("meta.json");
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
    }
}
