//! What decides which rules are loaded at boot: the files of the programs that load them, and
//! whether their services are enabled.
//!
//! A command under `run` (`ufw enable`, `firewall-cmd --permanent`, `systemctl enable nftables`)
//! writes these before anybody has confirmed anything. They are part of the checkpoint for that reason,
//! and come back with a rollback: owner, mode, times and extended attributes too.

mod capture;
mod compare;
mod entry;
mod export;
mod file;
mod places;
mod restore;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use compare::{Change, changes, lines};
pub use entry::{Content, Entry};
pub use export::export;
pub use file::{load, save};
pub use restore::{Author, Outcome, restore};

/// All of it at one moment, by path below the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootState {
    /// What stands for `/`.
    root: Vec<u8>,
    /// By absolute path as it is without the root, in bytes.
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl BootState {
    /// What is at `path` (absolute, without the root).
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&Entry> {
        use std::os::unix::ffi::OsStrExt;
        self.entries.get(path.as_os_str().as_bytes())
    }

    /// The paths, in order: a directory comes before what is in it.
    pub fn paths(&self) -> impl DoubleEndedIterator<Item = PathBuf> + '_ {
        self.entries.keys().map(|bytes| to_path(bytes))
    }

    /// Files that are too large to be held, so that they could not be brought back.
    pub fn too_large(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let large = |(path, entry): (&Vec<u8>, &Entry)| {
            matches!(entry.content, Content::Large { .. }).then(|| to_path(path))
        };
        self.entries.iter().filter_map(large)
    }

    /// Whether both hold the same; times aside.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        changes(self, other).is_empty()
    }

    /// Has the disk take what differs from `before`, as far as that can be.
    pub fn sync_changes(&self, before: &Self) {
        for (path, _) in changes(before, self) {
            // One that is gone again, or on a disk that fails, is no reason to stop.
            let _ = write::sync(&self.real(&path));
        }
    }

    /// Where `path` (absolute, without the root) really is.
    fn real(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").unwrap_or(path);
        to_path(&self.root).join(inside)
    }
}

fn to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
