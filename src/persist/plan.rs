//! Deciding what is written where.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Error;
use super::boot::boot_files;
use super::distribution::{Distribution, distribution};
use super::loader::loader_note;
use super::texts::Texts;
use crate::candidate::Kind;
use crate::paths::Paths;

/// Mode of a new file on Debian, where netfilter-persistent sets it.
const DEBIAN_MODE: u32 = 0o640;
/// Mode of a new file elsewhere.
const MODE: u32 = 0o600;

/// One file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Absolute path; a symlink is followed.
    pub path: PathBuf,
    /// All of the new content.
    pub content: String,
    /// What it holds.
    pub kind: Kind,
    /// Permission bits if the file is new; an old file's mode and owner are kept.
    pub mode: u32,
}

/// What [`super::write`] is going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The files.
    pub writes: Vec<Write>,
    /// What the user should know: directories that are made, services that are not enabled.
    pub notes: Vec<String>,
}

/// Plans `--persist` (`file` is `None`: to where this system loads rules at boot) or
/// `--persist=FILE`. Leave a kind whose candidate [`super::is_boot_file`] out of `kinds`: it is in place.
///
/// # Errors
/// [`Error::SeveralKinds`], [`Error::NoPlace`], [`Error::NoText`].
pub fn plan(
    paths: &Paths,
    kinds: &BTreeSet<Kind>,
    file: Option<&Path>,
    texts: &Texts,
) -> Result<Plan, Error> {
    if file.is_some() && kinds.len() > 1 {
        let names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
        return Err(Error::SeveralKinds {
            kinds: names.join(", "),
        });
    }
    let mode = match distribution(paths) {
        Distribution::Debian => DEBIAN_MODE,
        Distribution::RedHat | Distribution::Alpine | Distribution::Arch | Distribution::Other => {
            MODE
        }
    };
    let boot = boot_files(paths);
    let mut plan = Plan {
        writes: Vec::new(),
        notes: texts.notes.clone(),
    };
    for &kind in kinds {
        let path = match file {
            Some(file) => std::path::absolute(file).map_err(|source| Error::NotWritten {
                path: file.to_owned(),
                source,
                done: Vec::new(),
            })?,
            None => boot.of(kind).ok_or(Error::NoPlace { kind })?.to_owned(),
        };
        if let Some(dir) = path.parent().filter(|dir| !dir.exists()) {
            plan.notes.push(format!("{} is created", dir.display()));
        }
        if file.is_none() {
            plan.notes.extend(loader_note(paths, kind));
        }
        let content = texts.of(kind).ok_or(Error::NoText { kind })?.to_owned();
        plan.writes.push(Write {
            path,
            content,
            kind,
            mode,
        });
    }
    plan.notes.sort();
    plan.notes.dedup();
    Ok(plan)
}
