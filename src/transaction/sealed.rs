//! What is kept beside the journal: a line that names format and version, SHA-256, postcard.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::durable::write_durably;

const SUM_BYTES: usize = 32;

/// Why something on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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

/// Writes `value` durably under the first line `magic`, reads it back and compares.
///
/// # Errors
/// When the disk does not take it, or gives back something else.
pub fn save<T>(magic: &[u8], value: &T, path: &Path) -> Result<(), Error>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    let body = postcard::to_stdvec(value).map_err(|error| Error::Write(error.into()))?;
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&Sha256::digest(&body));
    bytes.extend_from_slice(&body);
    write_durably(path, &bytes).map_err(Error::Write)?;
    if load::<T>(magic, path)? == *value {
        Ok(())
    } else {
        Err(Error::Damaged {
            path: path.to_owned(),
        })
    }
}

/// Reads what [`save`] has written.
///
/// # Errors
/// [`Error::Read`], [`Error::Format`], [`Error::Damaged`].
pub fn load<T: DeserializeOwned>(magic: &[u8], path: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = || Error::Damaged {
        path: path.to_owned(),
    };
    let rest = bytes.strip_prefix(magic).ok_or_else(|| Error::Format {
        path: path.to_owned(),
    })?;
    let (sum, body) = rest.split_at_checked(SUM_BYTES).ok_or_else(damaged)?;
    if sum != Sha256::digest(body).as_slice() {
        return Err(damaged());
    }
    postcard::from_bytes(body).map_err(|_| damaged())
}
