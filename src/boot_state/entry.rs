//! One file, directory or symlink, with everything that a restore brings back.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Largest file whose content is held, in bytes.
pub const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Space for the names, and for one value, of extended attributes; the kernel's limit (xattr(7)).
const XATTR_BYTES_MAX: usize = 64 * 1024;
/// Permission bits of a mode.
const MODE_BITS: u32 = 0o7777;

/// What something is and holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A regular file with these bytes.
    File(Vec<u8>),
    /// A regular file that is too large to be held.
    Large {
        /// Its size.
        bytes: u64,
    },
    /// A directory.
    Directory,
    /// A symlink to this.
    Symlink(Vec<u8>),
}

/// One file, directory or symlink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is and holds.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// User ID of the owner.
    pub uid: u32,
    /// Group ID of the owner.
    pub gid: u32,
    /// When the content was changed last: seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
    /// Extended attributes, by name: labels of SELinux, access control lists.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Reads what is at `path`; `None` where nothing is, or something that nobody loads rules
    /// from (a socket, a device).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let kind = meta.file_type();
        let content = if kind.is_dir() {
            Content::Directory
        } else if kind.is_symlink() {
            Content::Symlink(fs::read_link(path)?.as_os_str().as_bytes().to_vec())
        } else if kind.is_file() && meta.len() > FILE_BYTES_MAX {
            Content::Large { bytes: meta.len() }
        } else if kind.is_file() {
            match fs::read(path) {
                Ok(bytes) => Content::File(bytes),
                // Others replace files at any time.
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            content,
            mode: meta.mode() & MODE_BITS,
            uid: meta.uid(),
            gid: meta.gid(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            attributes: attributes(path)?,
        }))
    }

    /// Whether both are the same but for their times. Of what is too large to be held, the
    /// time is all there is besides the size.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let large = matches!(self.content, Content::Large { .. });
        self.content == other.content
            && (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
            && self.attributes == other.attributes
            && (!large || self.modified == other.modified)
    }
}

/// Whether nothing is there.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; XATTR_BYTES_MAX];
    let length = match llistxattr(path, &mut names) {
        Ok(length) => length,
        // Many file systems have none.
        Err(Errno::OPNOTSUPP | Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let names = names.get(..length).unwrap_or_default();
    let mut found = Vec::new();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; XATTR_BYTES_MAX];
        // One that has gone, or that nobody may read, cannot be brought back either.
        if let Ok(length) = lgetxattr(path, name, &mut value) {
            value.truncate(length);
            found.push((name.to_vec(), value));
        }
    }
    found.sort();
    Ok(found)
}
