//! How two states differ.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::{BootState, Entry, to_path};

/// What became of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// It is not there any more.
    Removed,
    /// Its content, owner, mode or attributes differ.
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

/// What became of one path, if anything.
pub fn change(before: Option<&Entry>, after: Option<&Entry>) -> Option<Change> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Created),
        (Some(_), None) => Some(Change::Removed),
        (Some(before), Some(after)) => (!before.same(after)).then_some(Change::Changed),
    }
}

/// All paths that differ; times aside. Directories come before what is in them.
#[must_use]
pub fn changes(before: &BootState, after: &BootState) -> Vec<(PathBuf, Change)> {
    let paths: BTreeSet<&Vec<u8>> = before.entries.keys().chain(after.entries.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let change = change(before.entries.get(path), after.entries.get(path))?;
            Some((to_path(path), change))
        })
        .collect()
}

/// The same in lines for people.
#[must_use]
pub fn lines(before: &BootState, after: &BootState) -> Vec<String> {
    let line = |(path, change): (PathBuf, Change)| format!("{}: {change}", path.display());
    changes(before, after).into_iter().map(line).collect()
}
