//! How safe-apply gets onto a machine: as the package that `SAFE_APPLY_DEB` names, else the
//! binary under test with the files that `make install` would put there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::place::SHARE;
use super::spec::write_below;

const UNITS: [(&str, &str); 4] = [
    (
        "safe-apply-guardian@.service",
        include_str!("../../../systemd/safe-apply-guardian@.service"),
    ),
    (
        "safe-apply-recover-files.service",
        include_str!("../../../systemd/safe-apply-recover-files.service"),
    ),
    (
        "safe-apply-recover.service",
        include_str!("../../../systemd/safe-apply-recover.service"),
    ),
    (
        "safe-apply-recheck.service",
        include_str!("../../../systemd/safe-apply-recheck.service"),
    ),
];
const UNIT_DIR: &str = "usr/lib/systemd/system";

/// The package to install, if there is one.
pub fn package() -> Option<PathBuf> {
    std::env::var_os("SAFE_APPLY_DEB")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// Installs the package on a machine that runs, as an administrator does.
#[track_caller]
pub fn install_package(machine: &Machine, package: &Path) {
    let copy = machine.share().join("safe-apply.deb");
    fs::copy(package, &copy).unwrap_or_else(|error| panic!("{}: {error}", package.display()));
    machine
        .exec(&format!("dpkg -i {SHARE}/safe-apply.deb"))
        .exits(0);
}

/// Puts the binary and the units below the root directory of a machine that is down.
pub fn install_files(root: &Path) {
    let binary = root.join("usr/bin/safe-apply");
    fs::copy(env!("CARGO_BIN_EXE_safe-apply"), &binary).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in UNITS {
        let path = format!("{UNIT_DIR}/{name}");
        write_below(root, &path, text.replace("@BINDIR@", "/usr/bin"));
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    for unit in ["safe-apply-recover.service", "safe-apply-recheck.service"] {
        symlink(format!("/{UNIT_DIR}/{unit}"), wants.join(unit)).unwrap();
    }
}
