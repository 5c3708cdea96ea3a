//! Making one path what it was.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, OFlags, Timespec, Timestamps, XattrFlags, fallocate, llistxattr,
    lremovexattr, lsetxattr, utimensat,
};
use rustix::io::Errno;

use super::entry::{Content, Entry};

/// Space for the names of extended attributes; the kernel's limit (xattr(7)).
const XATTR_BYTES_MAX: usize = 64 * 1024;

/// Makes `path` what `entry` says, durably. A file is replaced by rename; where that cannot be
/// (no space for a second one, a file that is mounted over), it is written in place.
///
/// # Errors
/// What the kernel says.
pub fn put(path: &Path, entry: &Entry) -> io::Result<()> {
    clear(path, entry)?;
    match &entry.content {
        Content::File(bytes) => {
            replace(path, entry, bytes).or_else(|_| overwrite(path, entry, bytes))
        }
        Content::Symlink(target) => {
            let temporary = beside(path)?;
            symlink(std::ffi::OsStr::from_bytes(target), &temporary)?;
            let done = dress(&temporary, entry).and_then(|()| fs::rename(&temporary, path));
            if done.is_err() {
                // The first error is the one that counts.
                let _ = fs::remove_file(&temporary);
            }
            done
        }
        Content::Directory => {
            if !path.is_dir() {
                fs::create_dir(path)?;
            }
            dress(path, entry)
        }
        Content::Large { .. } => Err(io::Error::other(
            "it is too large to be kept, and cannot be brought back",
        )),
    }?;
    sync_parent(path)
}

/// Removes what is at `path`; a directory only when it is empty.
///
/// # Errors
/// What the kernel says.
pub fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir(path)?;
    } else {
        fs::remove_file(path)?;
    }
    sync_parent(path)
}

/// Sets the times that `entry` has.
///
/// # Errors
/// What the kernel says.
pub fn set_time(path: &Path, entry: &Entry) -> io::Result<()> {
    let (tv_sec, tv_nsec) = entry.modified;
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Has the disk take what is at `path`.
///
/// # Errors
/// What the kernel says.
pub fn sync(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() || meta.is_dir()) {
        File::open(path)?.sync_all()?;
    }
    sync_parent(path)
}

/// Takes away what stands in the way: a file where a directory was, or the reverse.
fn clear(path: &Path, entry: &Entry) -> io::Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    match (meta.is_dir(), &entry.content) {
        (true, Content::Directory) => Ok(()),
        (true, _) => fs::remove_dir(path),
        (false, Content::Directory) => fs::remove_file(path),
        (false, _) => Ok(()),
    }
}

fn replace(path: &Path, entry: &Entry, bytes: &[u8]) -> io::Result<()> {
    let dir = parent(path)?;
    let mut temp = tempfile::Builder::new()
        .prefix(".safe-apply-")
        .tempfile_in(dir)?;
    temp.write_all(bytes)?;
    dress(temp.path(), entry)?;
    temp.as_file().sync_all()?;
    temp.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The space is had before anything of the old content goes, and a symlink is not followed.
fn overwrite(path: &Path, entry: &Entry, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    let length = u64::try_from(bytes.len()).map_err(io::Error::other)?;
    if length > 0 {
        match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, length) {
            // Not every file system can promise space.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    file.write_all(bytes)?;
    file.set_len(length)?;
    dress(path, entry)?;
    file.sync_all()
}

/// Owner, mode, attributes, times: in this order, for each may change the next.
fn dress(path: &Path, entry: &Entry) -> io::Result<()> {
    lchown(path, Some(entry.uid), Some(entry.gid))?;
    if !matches!(entry.content, Content::Symlink(_)) {
        fs::set_permissions(path, Permissions::from_mode(entry.mode))?;
    }
    let mut names = vec![0; XATTR_BYTES_MAX];
    let length = llistxattr(path, &mut names).unwrap_or(0);
    let names = names.get(..length).unwrap_or_default();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        if !entry.attributes.iter().any(|(kept, _)| kept == name) {
            // A label that the kernel insists on stays; the comparison afterwards tells.
            let _ = lremovexattr(path, name);
        }
    }
    for (name, value) in &entry.attributes {
        lsetxattr(path, name.as_slice(), value, XattrFlags::empty())?;
    }
    set_time(path, entry)
}

fn beside(path: &Path) -> io::Result<std::path::PathBuf> {
    let dir = parent(path)?;
    let held = tempfile::Builder::new()
        .prefix(".safe-apply-")
        .tempfile_in(dir)?;
    // Only the name is wanted.
    let name = held.path().to_owned();
    held.close()?;
    Ok(name)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path)?)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::other("it has no directory"))
}
