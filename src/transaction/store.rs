//! The directories of transactions: created, found, listed, pruned.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Id;
use super::journal::{self, Record};
use crate::candidate::Kind;
use crate::cli::Backend;
use crate::connection::Origin;
use crate::paths::Paths;

/// Pause before another ID is tried.
const SAME_SECOND_PAUSE: Duration = Duration::from_millis(20);

/// What the client wrote down before it started the guardian; JSON, version 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    /// Version of this format.
    pub version: u32,
    /// The transaction.
    pub id: Id,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// Who applied, and from where.
    pub origin: Origin,
    /// The PID of the client.
    pub client_pid: i32,
    /// The command line, for people.
    pub command_line: String,
    /// Device and inode of the network namespace that the transaction belongs to.
    pub netns: (u64, u64),
    /// Whether that is PID 1's namespace; unknown where its link cannot be read.
    pub netns_is_init: Option<bool>,
    /// What is to be applied.
    pub work: Work,
    /// Time to confirm, in seconds.
    pub timeout_seconds: u64,
    /// Whether and where to persist.
    pub persist: Option<Persist>,
    /// Whether checks are overridden.
    pub force: bool,
    /// Shell command to run after the commit.
    pub on_commit: Option<String>,
    /// Shell command to run after a rollback.
    pub on_rollback: Option<String>,
}

/// Where the rules are written after the commit. JSON has one `null` only: an option in an
/// option would come back as none at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persist {
    /// Where this system loads rules at boot.
    BootFiles,
    /// To this file.
    File(PathBuf),
}

/// What a transaction applies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Rule files, copied into the transaction's directory.
    Rules {
        /// In the order given.
        files: Vec<RulesFile>,
        /// Which kernel interface iptables rules go to; never `auto`.
        backend: Backend,
        /// Add instead of replace.
        noflush: bool,
    },
    /// Whatever the client's command does.
    Command,
}

/// A copied rules file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RulesFile {
    /// As the user named it.
    pub name: String,
    /// The copy's file name in the transaction's directory.
    pub copy: String,
    /// The original, where there is one.
    pub path: Option<PathBuf>,
    /// What it holds.
    pub kind: Kind,
    /// Where the user was; relative includes count from there.
    pub cwd: PathBuf,
    /// SHA-256 of the copy.
    pub sha256: [u8; 32],
    /// Whether the original is loaded at boot.
    pub boot_file: bool,
}

/// All transactions of an installation.
#[derive(Debug, Clone)]
pub struct Store {
    paths: Paths,
}

/// The directory of one transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its ID.
    pub id: Id,
    dir: PathBuf,
    run: PathBuf,
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
            match DirBuilder::new().mode(0o700).create(&transaction.dir) {
                Ok(()) => return Ok(transaction),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot create {}", transaction.dir.display()));
                }
            }
        }
    }

    /// The transaction called `id`, whether it exists or not.
    #[must_use]
    pub fn get(&self, id: Id) -> Transaction {
        Transaction {
            dir: self.paths.transactions().join(id.as_str()),
            run: self.paths.run.clone(),
            id,
        }
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
            let closed = transaction
                .last()
                .is_ok_and(|last| last.is_some_and(|record| record.state.is_final()));
            if closed {
                // Old history is a convenience; a full or read-only disk is no reason to fail.
                let _ = fs::remove_dir_all(&transaction.dir);
                let _ = fs::remove_file(transaction.volatile_journal());
            }
        }
        Ok(())
    }
}

impl Transaction {
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

/// Writes a file so that after a power cut it is there in full or not at all:
/// temporary file, fsync, rename, fsync of the directory.
///
/// # Errors
/// What the kernel says, with the file's name.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let dir = path.parent().unwrap_or_else(|| Path::new("/"));
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary = dir.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // On a full disk the space matters more than a second error.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}
