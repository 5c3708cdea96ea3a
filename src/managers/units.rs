//! Whether a service is started at boot, and whether it runs now: systemd, OpenRC, System V.

use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::Paths;

/// Where unit files are (systemd.unit(5)), the more important first.
const UNIT_DIRS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Where systemd keeps a link for each unit that is active.
const INVOCATIONS: &str = "/run/systemd/units";
/// Run levels of System V init that a server starts in.
const RC_DIRS: [&str; 5] = [
    "/etc/rcS.d",
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc4.d",
    "/etc/rc5.d",
];

/// Whether the service called `unit` is started at boot.
#[must_use]
pub fn is_enabled(paths: &Paths, unit: &str) -> bool {
    if paths.rooted("/etc/systemd/system").is_dir() {
        let file = format!("{unit}.service");
        return !is_masked(paths, &file)
            && UNIT_DIRS.iter().any(|dir| wants(&paths.rooted(dir), &file));
    }
    any_entry(&paths.rooted("/etc/runlevels"), |level| {
        Some(level.join(unit))
    }) || RC_DIRS.iter().any(|dir| starts(&paths.rooted(dir), unit))
}

/// Whether it runs, or has run and counts as running.
#[must_use]
pub fn is_active(paths: &Paths, unit: &str) -> bool {
    let there = |path: PathBuf| path.symlink_metadata().is_ok();
    let invocation = format!("invocation:{unit}.service");
    there(paths.rooted(INVOCATIONS).join(invocation))
        || there(paths.rooted("/run/openrc/started").join(unit))
}

/// The text of its unit file.
pub fn unit_file(paths: &Paths, unit: &str) -> Option<String> {
    let mut dirs = UNIT_DIRS.iter();
    dirs.find_map(|dir| {
        let path = paths.rooted(dir).join(format!("{unit}.service"));
        fs::read_to_string(path).ok()
    })
}

fn is_masked(paths: &Paths, file: &str) -> bool {
    let own = paths.rooted("/etc/systemd/system").join(file);
    fs::read_link(own).is_ok_and(|target| target == Path::new("/dev/null"))
}

/// Whether a target in `dir` wants `file`.
fn wants(dir: &Path, file: &str) -> bool {
    any_entry(dir, |entry| {
        let name = entry.extension()?;
        (name == "wants" || name == "requires").then(|| entry.join(file))
    })
}

/// Whether `S??unit` is in `dir`.
fn starts(dir: &Path, unit: &str) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_str().and_then(|name| name.strip_prefix('S'));
            name.is_some_and(|rest| rest.get(2..) == Some(unit))
        })
    })
}

/// Whether `inside` exists, as a symlink at least, for one of the directories in `dir`.
fn any_entry(dir: &Path, inside: impl Fn(&Path) -> Option<PathBuf>) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| {
        let mut wanted = entries.flatten().filter_map(|entry| inside(&entry.path()));
        wanted.any(|path| path.symlink_metadata().is_ok())
    })
}
