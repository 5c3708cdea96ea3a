//! Reading it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::entry::{Content, is_absent};
use super::places::{ENABLED_DIRS, PLACES, RC_DIRS, is_rc_link, is_service};
use super::{BootState, Entry, to_path};
use crate::paths::Paths;

/// How deep directories are followed; symlinks to directories are not.
const DEPTH_MAX: usize = 8;
/// How many entries are held in memory.
const ENTRIES_MAX: usize = 20_000;
/// In names of copies that `--persist` has kept: nothing loads them.
const OWN_BACKUP: &str = ".safe-apply-";

impl BootState {
    /// Reads all of it below the root in `paths`.
    ///
    /// # Errors
    /// The first file that is there and cannot be read.
    pub fn capture(paths: &Paths) -> io::Result<Self> {
        Self::below(paths.root.as_os_str().as_bytes().to_vec())
    }

    /// Reads it again, as it is now.
    ///
    /// # Errors
    /// As for [`BootState::capture`].
    pub fn now(&self) -> io::Result<Self> {
        Self::below(self.root.clone())
    }

    fn below(root: Vec<u8>) -> io::Result<Self> {
        let mut reading = Reading {
            state: Self {
                root,
                entries: BTreeMap::new(),
            },
        };
        for place in PLACES {
            reading.add(Path::new(place.path), DEPTH_MAX)?;
        }
        for dir in ENABLED_DIRS {
            reading.enabled(Path::new(dir))?;
        }
        for dir in RC_DIRS {
            for name in reading.names(Path::new(dir))? {
                if name.to_str().is_some_and(is_rc_link) {
                    reading.add(&Path::new(dir).join(name), 0)?;
                }
            }
        }
        Ok(reading.state)
    }
}

struct Reading {
    state: BootState,
}

impl Reading {
    /// What is at `path`, and below it.
    fn add(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        if self.state.get(path).is_some() {
            return Ok(());
        }
        let real = self.state.real(path);
        if self.state.entries.len() >= ENTRIES_MAX {
            return Err(io::Error::other(format!(
                "{}: there are more than {ENTRIES_MAX} files like this",
                real.display()
            )));
        }
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", real.display()));
        let entry = match Entry::read(&real) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(()),
            // What root may not read is another user namespace's, and no command's to change here.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(named(error)),
        };
        let target = match &entry.content {
            Content::Symlink(target) => Some(to_path(target)),
            Content::File(_) | Content::Large { .. } | Content::Directory => None,
        };
        let is_dir = entry.content == Content::Directory;
        let key = path.as_os_str().as_bytes().to_vec();
        self.state.entries.insert(key, entry);
        if depth == 0 {
            return Ok(());
        }
        if is_dir {
            for name in self.names(path)? {
                if !name.to_string_lossy().contains(OWN_BACKUP) {
                    self.add(&path.join(name), depth - 1)?;
                }
            }
        }
        if let Some(target) = target {
            // The file that is loaded is the one at the end of the link.
            let target = normal(&path.parent().unwrap_or(path).join(target));
            let end = self.state.real(&target);
            if end.is_file() || (end.is_dir() && depth == DEPTH_MAX) {
                self.add(&target, depth - 1)?;
            }
        }
        Ok(())
    }

    /// The links of the services in `dir` and one level below.
    fn enabled(&mut self, dir: &Path) -> io::Result<()> {
        for name in self.names(dir)? {
            let path = dir.join(&name);
            if name.to_str().is_some_and(is_service) {
                self.add(&path, 0)?;
                self.inside(&path, |_| true)?;
                continue;
            }
            self.inside(&path, is_service)?;
        }
        Ok(())
    }

    /// What is in `dir` and has a name that is `wanted`; links to directories are not followed.
    fn inside(&mut self, dir: &Path, wanted: fn(&str) -> bool) -> io::Result<()> {
        if !fs::symlink_metadata(self.state.real(dir)).is_ok_and(|meta| meta.is_dir()) {
            return Ok(());
        }
        for name in self.names(dir)? {
            if name.to_str().is_some_and(wanted) {
                self.add(&dir.join(name), 0)?;
            }
        }
        Ok(())
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        let entries = match fs::read_dir(self.state.real(dir)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect()
    }
}

/// Without `.` and `..`, by the text alone.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => normal.push(part),
        }
    }
    normal
}
