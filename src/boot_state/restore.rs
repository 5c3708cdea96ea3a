//! Bringing it back.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::compare::{Change, change, changes};
use super::entry::Content;
use super::places::{PLACES, is_enablement};
use super::write::{put, remove, set_time};
use super::{BootState, to_path};

/// Who made the changes that are found.
#[derive(Debug, Clone, Copy)]
pub enum Author<'a> {
    /// The change that is rolled back, as far as this state, read right after it, has them too.
    Ours(&'a BootState),
    /// All of them come from the change that is rolled back: it was never seen complete.
    Unknown,
}

/// What a restore has done.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was brought back.
    pub restored: Vec<PathBuf>,
    /// What others had changed in what was brought back, in lines for people.
    pub drift: Vec<String>,
    /// What others changed, and the change that is rolled back did not: left as it is.
    pub left: Vec<String>,
    /// Files of a package that was installed meanwhile: left as they are.
    pub kept: Vec<PathBuf>,
    /// What could not be brought back, in lines for people.
    pub differences: Vec<String>,
}

impl Outcome {
    /// Whether what was brought back says which services are started at boot.
    #[must_use]
    pub fn enablement(&self) -> bool {
        self.restored.iter().any(|path| is_enablement(path))
    }

    /// The units of systemd whose start at boot was brought back to what it was.
    #[must_use]
    pub fn units(&self) -> BTreeSet<&str> {
        let wanted = |path: &&PathBuf| {
            let dir = path.parent().and_then(Path::extension);
            is_enablement(path) && dir.is_some_and(|dir| dir == "wants" || dir == "requires")
        };
        let links = self.restored.iter().filter(wanted);
        let names = links.filter_map(|path| path.file_name()?.to_str());
        names
            .filter_map(|name| name.strip_suffix(".service"))
            .collect()
    }
}

/// Brings back what was there `before`, where `author` changed it. What is replaced is copied to
/// `replaced` first, under its own path. Goes on past single errors; reads back and compares.
#[must_use]
pub fn restore(before: &BootState, author: Author<'_>, replaced: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    let now = match before.now() {
        Ok(now) => now,
        Err(error) => {
            outcome.differences.push(unreadable(&error));
            return outcome;
        }
    };
    let wanted = sort_out(before, author, &now, &mut outcome);
    for path in &wanted {
        keep(&before.real(path), path, replaced);
    }
    let mut errors = Vec::new();
    let mut note = |path: &Path, done: io::Result<()>| {
        if let Err(error) = done {
            errors.push((path.to_owned(), error));
        }
    };
    for path in &wanted {
        if let Some(entry) = before.get(path) {
            note(path, put(&before.real(path), entry));
        }
    }
    // What is in a directory goes before the directory.
    for path in wanted.iter().rev() {
        if before.get(path).is_none() {
            note(path, remove(&before.real(path)));
        }
    }
    times(before, author, &wanted);
    match before.now() {
        Ok(now) => {
            let wrong = changes(before, &now).into_iter();
            for (path, change) in wrong.filter(|(path, _)| wanted.contains(path)) {
                let reason = errors.iter().find(|(at, _)| *at == path);
                let reason = reason.map_or_else(String::new, |(_, error)| format!(" ({error})"));
                outcome
                    .differences
                    .push(format!("{}: still {change}{reason}", path.display()));
            }
        }
        Err(error) => outcome.differences.push(unreadable(&error)),
    }
    outcome.restored = wanted.into_iter().collect();
    outcome
}

/// What is to be brought back; directories come before what is in them.
fn sort_out(
    before: &BootState,
    author: Author<'_>,
    now: &BootState,
    outcome: &mut Outcome,
) -> BTreeSet<PathBuf> {
    let mut wanted = BTreeSet::new();
    for (path, found) in changes(before, now) {
        let line = || format!("{}: {found}", path.display());
        if let Author::Ours(applied) = author {
            if change(before.get(&path), applied.get(&path)).is_none() {
                outcome.left.push(line());
                continue;
            }
            if change(applied.get(&path), now.get(&path)).is_some() {
                outcome.drift.push(line());
            }
        }
        if found == Change::Created && is_new_package(before, &path) {
            outcome.kept.push(path);
        } else {
            wanted.insert(path);
        }
    }
    wanted
}

/// Whether `path` came with a package that was not installed `before`.
fn is_new_package(before: &BootState, path: &Path) -> bool {
    PLACES.iter().any(|place| {
        let root = Path::new(place.path);
        place.packaged && path.starts_with(root) && before.get(root).is_none()
    })
}

/// A copy of what is at `real`; reported in any case, a full disk only costs the copy.
fn keep(real: &Path, path: &Path, replaced: &Path) {
    let copy = replaced.join(path.strip_prefix("/").unwrap_or(path));
    if copy.symlink_metadata().is_ok() || !real.is_file() {
        return;
    }
    let _ = copy
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::copy(real, &copy));
}

/// Directories get their times back, and files that were written anew with the same content.
fn times(before: &BootState, author: Author<'_>, wanted: &BTreeSet<PathBuf>) {
    for (key, entry) in before.entries.iter().rev() {
        let path = to_path(key);
        let inside = |one: &PathBuf| one.parent() == Some(&path);
        let ours = match (&entry.content, author) {
            (Content::Directory, _) => wanted.contains(&path) || wanted.iter().any(inside),
            (_, Author::Ours(applied)) => applied
                .get(&path)
                .is_some_and(|applied| applied.modified != entry.modified),
            (_, Author::Unknown) => true,
        };
        let real = before.real(&path);
        let same = || {
            let now = super::Entry::read(&real).ok().flatten();
            now.is_some_and(|now| now.same(entry) && now.modified != entry.modified)
        };
        if ours && same() {
            // The content is what counts.
            let _ = set_time(&real, entry);
        }
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("what is loaded at boot cannot be read: {error}")
}
