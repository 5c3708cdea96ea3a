//! How safe-apply gets onto a machine: as the package that `SAFE_APPLY_DEB` names, else the
//! binary under test with the files that the package would install.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::place::SHARE;
use super::spec::write_below;

/// What stands for a directory in the list of files, as for a package.
const DIRECTORIES: [(&str, &str); 5] = [
    ("@BINDIR@", "/usr/bin"),
    ("@UNITDIR@", "/usr/lib/systemd/system"),
    ("@LIBDIR@", "/usr/lib"),
    ("@DATADIR@", "/usr/share"),
    ("@SYSCONFDIR@", "/etc"),
];
/// The units that the package enables.
const ENABLED: [&str; 2] = ["safe-apply-recover.service", "safe-apply-recheck.service"];

/// The package to install, if there is one.
pub fn package() -> Option<PathBuf> {
    std::env::var_os("SAFE_APPLY_DEB")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

impl Machine {
    /// Installs the package on a machine that runs, as an administrator does.
    #[track_caller]
    pub fn install_package(&self) {
        let copy = self.share_package();
        self.exec(&format!("dpkg -i {copy}")).exits(0);
    }

    /// Puts the package where the machine sees it; returns its path there.
    #[track_caller]
    pub fn share_package(&self) -> String {
        let package = package().expect("SAFE_APPLY_DEB names a package (make test-machines)");
        let copy = self.share().join("safe-apply.deb");
        fs::copy(&package, &copy).unwrap_or_else(|error| panic!("{}: {error}", package.display()));
        format!("{SHARE}/safe-apply.deb")
    }
}

/// Puts the files below the root directory of a machine that is down; man pages and
/// completions, which only a build makes, are left out.
pub fn install_files(root: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(source.join("packaging/files")).unwrap();
    for line in list.lines() {
        let mut words = line.split_whitespace();
        let (mode, from, to) = (words.next(), words.next(), words.next());
        match (mode, from, to) {
            (Some("0755"), Some("@BINARY@"), Some(to)) => {
                let binary = below(root, &expand(to));
                fs::create_dir_all(binary.parent().unwrap()).unwrap();
                fs::copy(env!("CARGO_BIN_EXE_safe-apply"), &binary).unwrap();
                fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
            }
            (Some("0644"), Some(from), Some(to)) if !from.starts_with('@') => {
                let text = fs::read_to_string(source.join(from)).unwrap();
                write_below(root, &expand(to), expand(&text));
            }
            _ => {}
        }
    }
    let wants = below(root, "/etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    for unit in ENABLED {
        symlink(expand(&format!("@UNITDIR@/{unit}")), wants.join(unit)).unwrap();
    }
}

fn expand(text: &str) -> String {
    let replace = |text: String, (name, path): (&str, &str)| text.replace(name, path);
    DIRECTORIES.into_iter().fold(text.to_owned(), replace)
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
