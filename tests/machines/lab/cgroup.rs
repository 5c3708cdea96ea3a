//! Cgroups of this suite's, below that of this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::command::comes_true;
use super::own;

/// A cgroup that is removed, with what is below it, when dropped.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

/// The cgroups of a machine, one in each hierarchy that systemd uses: machines that share one would
/// kill each other's services.
#[derive(Debug)]
pub struct MachineCgroups(Vec<Cgroup>);

impl MachineCgroups {
    /// The unified hierarchy; where there are others, it may be missing or stand beside the one
    /// that is named after systemd (cgroups(7)).
    pub fn new() -> Self {
        if unified() {
            return Self(vec![Cgroup::new("/sys/fs/cgroup", "0::")]);
        }
        let mut all = vec![Cgroup::new("/sys/fs/cgroup/systemd", ":name=systemd:")];
        if Path::new("/sys/fs/cgroup/unified").exists() {
            all.push(Cgroup::new("/sys/fs/cgroup/unified", "0::"));
        }
        Self(all)
    }

    /// New cgroups below, for one boot: what the last boot left does not count.
    pub fn fresh(&self, name: &str) -> Vec<PathBuf> {
        let fresh = self.0.iter().map(|cgroup| cgroup.path().join(name));
        fresh
            .inspect(|path| fs::create_dir(path).unwrap())
            .collect()
    }
}

impl Cgroup {
    /// One that limits memory.
    pub fn for_memory() -> Self {
        if unified() {
            Self::new("/sys/fs/cgroup", "0::")
        } else {
            Self::new("/sys/fs/cgroup/memory", ":memory:")
        }
    }

    /// Makes one, and removes those of runs that are dead. `key` is what stands before this
    /// process's own path in `/proc/self/cgroup`.
    fn new(mount: &str, key: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let path = own
            .lines()
            .find_map(|line| line.split_once(key).map(|(_, path)| path))
            .unwrap_or_else(|| panic!("no cgroup {key} in {own}"));
        let parent = Path::new(mount).join(path.trim_start_matches('/'));
        for dead in own::left_in(&parent) {
            remove(&dead);
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{}{number}", own::prefix()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that is dead is in its cgroup until it has been waited for.
        if !comes_true(|| remove(&self.0)) {
            eprintln!("left behind: {}", self.0.display());
        }
    }
}

/// Whether the hierarchy of version 2 is the only one.
pub fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Removes a cgroup and those below it; whether it is gone.
fn remove(path: &Path) -> bool {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path());
            }
        }
    }
    fs::remove_dir(path).is_ok() || !path.exists()
}
