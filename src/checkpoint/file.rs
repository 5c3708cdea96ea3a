//! A snapshot on disk: a line that names format and version, SHA-256, postcard.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Snapshot;
use crate::transaction::store::write_durably;

/// First line of the file; the number is the version.
const MAGIC: &[u8] = b"safe-apply snapshot 1\n";
const SUM_BYTES: usize = 32;

/// Why a snapshot on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("the snapshot {path} could not be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// It could not be written.
    #[error("{0:#}")]
    Write(anyhow::Error),
    /// It is not of this format and version.
    #[error("{path} is not a snapshot that this version of safe-apply reads")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Its checksum does not fit.
    #[error("the snapshot {path} is damaged (its checksum does not fit); it is not guessed at")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Writes `snapshot` durably, reads it back and compares.
///
/// # Errors
/// When the disk does not take it, or gives back something else.
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<(), FileError> {
    let body = postcard::to_stdvec(snapshot).map_err(|error| FileError::Write(error.into()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&Sha256::digest(&body));
    bytes.extend_from_slice(&body);
    write_durably(path, &bytes).map_err(FileError::Write)?;
    if load(path)? == *snapshot {
        Ok(())
    } else {
        Err(FileError::Damaged {
            path: path.to_owned(),
        })
    }
}

/// Reads a snapshot.
///
/// # Errors
/// [`FileError::Read`], [`FileError::Format`], [`FileError::Damaged`].
pub fn load(path: &Path) -> Result<Snapshot, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = || FileError::Damaged {
        path: path.to_owned(),
    };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| FileError::Format {
        path: path.to_owned(),
    })?;
    let (sum, body) = rest.split_at_checked(SUM_BYTES).ok_or_else(damaged)?;
    if sum != Sha256::digest(body).as_slice() {
        return Err(damaged());
    }
    postcard::from_bytes(body).map_err(|_| damaged())
}
