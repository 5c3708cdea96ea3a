//! A snapshot on disk.

use std::path::Path;

use super::Snapshot;
use crate::transaction::sealed;

pub use crate::transaction::sealed::Error as FileError;

/// First line of the file; the number is the version.
const MAGIC: &[u8] = b"safe-apply snapshot 1\n";

/// Writes `snapshot` durably, reads it back and compares.
///
/// # Errors
/// When the disk does not take it, or gives back something else.
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<(), FileError> {
    sealed::save(MAGIC, snapshot, path)
}

/// Reads a snapshot.
///
/// # Errors
/// [`FileError::Read`], [`FileError::Format`], [`FileError::Damaged`].
pub fn load(path: &Path) -> Result<Snapshot, FileError> {
    sealed::load(MAGIC, path)
}
