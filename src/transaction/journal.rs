//! The journal: one line per state, checksummed, written before the state is acted on.
//!
//! Line: eight hexadecimal digits of CRC-32, a space, a JSON object, a line feed.
//! The file is preallocated and filled with NUL, so that a disk that fills up
//! later does not stop it. A copy in the runtime directory outlives a state
//! directory that turns read-only. A last line that the disk took in part was
//! never acted on; any other damage means a corrupt journal.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clock;
use super::machine::State;

mod copy;
mod read;

use copy::Copy;
pub use read::{parse, read, read_both};

/// Version of the journal's format.
pub const VERSION: u32 = 1;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// Counts from 0 without gaps.
    pub sequence: u32,
    /// The state entered.
    pub state: State,
    /// Wall-clock time (RFC 3339), for people.
    pub time: String,
    /// The boot in which it was written.
    pub boot_id: String,
    /// When the countdown ends, in milliseconds of `CLOCK_BOOTTIME` of that boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// What belongs to the state: who confirmed, what differs.
    #[serde(default, skip_serializing_if = "Detail::is_empty")]
    pub detail: Detail,
}

/// What the history shows beyond the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Where the confirmation came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Whether the confirmation was forced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// The error that led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What others changed meanwhile, or what could not be restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Files that were brought back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Everything that the outcome demands (persisting, hooks) is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finished: bool,
}

impl Detail {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a journal cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read or written.
    #[error("the journal {path} could not be accessed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A line in it is damaged.
    #[error("the journal {path} is damaged at line {line}; it is not guessed at")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The damaged line, counted from 1.
        line: usize,
    },
    /// A newer safe-apply wrote it.
    #[error("the journal {path} has version {version}; this safe-apply reads version {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// Whether a record counts when the disk does not take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does not: a commit that a reboot would forget is none.
    Required,
    /// It does: a rollback goes on without a disk.
    BestEffort,
}

/// The journal of one transaction, open for writing.
#[derive(Debug)]
pub struct Journal {
    durable: Copy,
    volatile: Copy,
    path: PathBuf,
    volatile_path: PathBuf,
    records: Vec<Record>,
}

impl Journal {
    /// Creates the journal at `durable` with a copy at `volatile`.
    ///
    /// # Errors
    /// When either cannot be created and reserved in full.
    pub fn create(durable: &Path, volatile: &Path) -> Result<Self, Error> {
        let create = |path: &Path| {
            let (copy, made) = Copy::open(path, Vec::new(), Durability::Required);
            made.map(|()| copy).map_err(|source| Error::Io {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            durable: create(durable)?,
            volatile: create(volatile)?,
            path: durable.to_owned(),
            volatile_path: volatile.to_owned(),
            records: Vec::new(),
        })
    }

    /// Opens the journal of an earlier process; of the two copies the longer one counts.
    ///
    /// # Errors
    /// As [`read_both`]. A copy that cannot be opened for writing is done without.
    pub fn open(durable: &Path, volatile: &Path) -> Result<Self, Error> {
        let records = read_both(durable, volatile)?;
        let text: Vec<u8> = records.iter().flat_map(line).collect();
        // Where that fails, each record that is appended says so.
        let open = |path: &Path| Copy::open(path, text.clone(), Durability::BestEffort).0;
        Ok(Self {
            durable: open(durable),
            volatile: open(volatile),
            path: durable.to_owned(),
            volatile_path: volatile.to_owned(),
            records,
        })
    }

    /// The last record.
    #[must_use]
    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    /// Appends a state and syncs it.
    ///
    /// # Errors
    /// When the disk did not take the record, or does not answer. With [`Durability::Required`]
    /// the state was not entered; else it counts for this boot all the same.
    pub fn append(
        &mut self,
        state: &State,
        deadline_ms: Option<u64>,
        detail: Detail,
        durability: Durability,
    ) -> Result<(), Error> {
        let record = Record {
            version: VERSION,
            sequence: u32::try_from(self.records.len()).unwrap_or(u32::MAX),
            state: state.clone(),
            time: clock::timestamp(),
            boot_id: clock::boot_id().unwrap_or_default(),
            deadline_ms,
            detail,
        };
        let text = line(&record);
        let written = match durability {
            Durability::Required => {
                let written = self.durable.append(&text, durability);
                written.map_err(|source| self.error(source))?;
                // The durable copy is the one that is answered for.
                let _ = self.volatile.append(&text, Durability::BestEffort);
                Ok(())
            }
            Durability::BestEffort => {
                // First where it is quick: what counts in any case need not wait for the disk.
                let _ = self.volatile.append(&text, durability);
                self.durable.append(&text, durability)
            }
        };
        self.records.push(record);
        written.map_err(|source| self.error(source))
    }

    /// Removes the copy in the runtime directory, which is memory, once the disk holds all.
    pub fn retire(&self) {
        if self.durable.is_complete() {
            // One that stays is removed with the transaction.
            let _ = std::fs::remove_file(&self.volatile_path);
        }
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn line(record: &Record) -> Vec<u8> {
    // A record is plain data: it always serialises.
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes()
}
