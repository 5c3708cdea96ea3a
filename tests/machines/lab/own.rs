//! What runs of this suite leave on this machine carries the number and start time of the process
//! that made it. Everything but directories and cgroups goes away by itself when that process ends.

use std::fs;
use std::path::Path;
use std::sync::Once;

use super::cgroup::MachineCgroups;

const PREFIX: &str = "safe-apply-machines-";

/// The start of a name that belongs to this process.
pub fn prefix() -> String {
    let pid = std::process::id();
    format!("{PREFIX}{pid}-{}-", start_time(pid).unwrap())
}

/// Removes what runs have left that are dead now.
pub fn sweep() {
    for path in left_in(&std::env::temp_dir()) {
        // Somebody else may be faster.
        let _ = fs::remove_dir_all(path);
    }
    // Making one removes those of the dead beside it.
    drop(MachineCgroups::new());
}

/// A directory that is removed when dropped, or by the next run.
pub fn directory() -> tempfile::TempDir {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(sweep);
    tempfile::Builder::new()
        .prefix(&prefix())
        .tempdir()
        .unwrap()
}

/// The entries of a directory that runs made which are dead now.
pub fn left_in(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let dead = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_left_over));
    dead.map(|entry| entry.path()).collect()
}

fn is_left_over(name: &str) -> bool {
    let mut words = name.strip_prefix(PREFIX).unwrap_or_default().split('-');
    let mut number = || words.next()?.parse::<u64>().ok();
    match (number(), number()) {
        (Some(pid), Some(started)) => {
            u32::try_from(pid).is_ok_and(|pid| start_time(pid) != Some(started))
        }
        (None, _) | (_, None) => false,
    }
}

/// When a process started, in clock ticks since boot (proc(5)).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// The one child of a process.
pub fn only_child(parent: impl std::fmt::Display) -> i32 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("not one child: {children:?}"))
}
