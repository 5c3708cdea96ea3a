//! It on disk: a line that names format and version, SHA-256, postcard.

use std::path::Path;

use super::BootState;
use crate::transaction::sealed;

/// First line of the file; the number is the version.
const MAGIC: &[u8] = b"safe-apply boot state 1\n";

/// Writes `state` durably, reads it back and compares.
///
/// # Errors
/// When the disk does not take it, or gives back something else.
pub fn save(state: &BootState, path: &Path) -> Result<(), sealed::Error> {
    sealed::save(MAGIC, state, path)
}

/// Reads a state.
///
/// # Errors
/// As [`sealed::load`].
pub fn load(path: &Path) -> Result<BootState, sealed::Error> {
    sealed::load(MAGIC, path)
}
