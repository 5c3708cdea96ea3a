//! Writing atomically, keeping what was there.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Error;
use super::plan::{Plan, Write};

/// How many symlinks in a row are followed, as in path_resolution(7).
const MAX_LINKS: usize = 40;
/// How many backups of one file may be made within one second.
const MAX_SAME_SECOND: usize = 1000;
/// Permission bits of a mode.
const MODE_BITS: u32 = 0o7777;

/// One file that now holds the committed rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file, symlinks followed.
    pub path: PathBuf,
    /// What was there before; `None` if nothing was, or exactly the same.
    pub backup: Option<PathBuf>,
}

/// A complete new file beside the one that it will replace.
struct Staged {
    path: PathBuf,
    temp: NamedTempFile,
    old: bool,
}

/// Writes every file of `plan`: all are complete and synced beside their targets before the
/// first one is renamed into place. The old file stays as `FILE.safe-apply-backup-TIME` (UTC).
///
/// # Errors
/// [`Error::NotWritten`] for the first file that could not be; a full disk is found before any rename.
pub fn write(plan: &Plan) -> Result<Vec<Written>, Error> {
    let mut staged = Vec::with_capacity(plan.writes.len());
    let mut written = Vec::with_capacity(plan.writes.len());
    for one in &plan.writes {
        match stage(one).map_err(|source| not_written(&one.path, source, &[]))? {
            Some(ready) => staged.push(ready),
            None => written.push(Written {
                path: one.path.clone(),
                backup: None,
            }),
        }
    }
    let stamp = chrono::Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
    for ready in staged {
        let path = ready.path.clone();
        let done = replace(ready, &stamp).map_err(|source| not_written(&path, source, &written))?;
        written.push(done);
    }
    Ok(written)
}

fn not_written(path: &Path, source: io::Error, written: &[Written]) -> Error {
    Error::NotWritten {
        path: path.to_owned(),
        source,
        done: written.iter().map(|one| one.path.clone()).collect(),
    }
}

/// `None` when the file holds exactly this already.
fn stage(write: &Write) -> io::Result<Option<Staged>> {
    let path = follow(&write.path)?;
    let dir = parent(&path)?;
    make_dir(dir)?;
    let old = match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => Some(meta),
        Ok(_) => return Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if old.is_some() && fs::read(&path)? == write.content.as_bytes() {
        return Ok(None);
    }
    let mut temp = tempfile::Builder::new()
        .prefix(".safe-apply-")
        .tempfile_in(dir)?;
    temp.write_all(write.content.as_bytes())?;
    let mode = match &old {
        Some(meta) => {
            let made = temp.as_file().metadata()?;
            if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
                fchown(temp.as_file(), Some(meta.uid()), Some(meta.gid()))?;
            }
            meta.mode() & MODE_BITS
        }
        None => write.mode,
    };
    // After the owner: changing that may take bits away.
    temp.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    temp.as_file().sync_all()?;
    Ok(Some(Staged {
        path,
        temp,
        old: old.is_some(),
    }))
}

fn replace(staged: Staged, stamp: &str) -> io::Result<Written> {
    let backup = if staged.old {
        Some(keep(&staged.path, stamp)?)
    } else {
        None
    };
    staged
        .temp
        .persist(&staged.path)
        .map_err(|error| error.error)?;
    File::open(parent(&staged.path)?)?.sync_all()?;
    Ok(Written {
        path: staged.path,
        backup,
    })
}

/// A second name for the old file, which needs no space; a copy where the file system has no hard links.
fn keep(path: &Path, stamp: &str) -> io::Result<PathBuf> {
    for attempt in 0..MAX_SAME_SECOND {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".safe-apply-backup-{stamp}"));
        if attempt > 0 {
            name.push(format!("-{attempt}"));
        }
        let backup = PathBuf::from(name);
        if backup.symlink_metadata().is_ok() {
            continue;
        }
        match fs::hard_link(path, &backup) {
            Ok(()) => return Ok(backup),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => {
                fs::copy(path, &backup)?;
                File::open(&backup)?.sync_all()?;
                return Ok(backup);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes `dir` and what is missing above it, durably.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = parent(dir)?;
    make_dir(above)?;
    fs::create_dir(dir)?;
    File::open(above)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::other("it has no directory"))
}

/// Follows symlinks at the end of `path`, dangling ones too: the file is made where the last one points.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path)?.join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}
