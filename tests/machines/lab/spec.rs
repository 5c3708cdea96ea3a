//! What a machine is to be like when it boots.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::machine::Machine;

/// A machine before its first boot.
#[derive(Debug, Clone)]
pub struct Spec {
    pub suite: &'static str,
    pub packages: Vec<&'static str>,
    pub files: Vec<(String, String)>,
    pub enabled: Vec<&'static str>,
    pub product: bool,
}

impl Spec {
    /// Debian 12 with safe-apply installed.
    pub fn debian() -> Self {
        Self {
            suite: "bookworm",
            packages: Vec::new(),
            files: Vec::new(),
            enabled: Vec::new(),
            product: true,
        }
    }

    /// Debian 13 with safe-apply installed: its sshd is split into several programs.
    pub fn trixie() -> Self {
        Self {
            suite: "trixie",
            ..Self::debian()
        }
    }

    /// With further packages; the tree of each set of packages is built once and cached.
    pub fn packages(mut self, packages: &[&'static str]) -> Self {
        self.packages.extend(packages);
        self
    }

    /// With a file of mode 0644, by its absolute path.
    pub fn file(mut self, path: &str, content: impl Into<String>) -> Self {
        self.files.push((path.to_owned(), content.into()));
        self
    }

    /// With a unit that starts at boot; those of rule loaders are not enabled otherwise.
    pub fn enable(mut self, unit: &'static str) -> Self {
        self.enabled.push(unit);
        self
    }

    /// Without safe-apply.
    pub fn without_product(mut self) -> Self {
        self.product = false;
        self
    }

    /// Boots it, and waits until systemd has started everything.
    #[track_caller]
    pub fn boot(self) -> Machine {
        Machine::boot(self)
    }
}

/// Writes a file of mode 0644 below `root`.
pub fn write_below(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}
