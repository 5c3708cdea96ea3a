//! Where things lie on this host. Tests pass their own directories through the environment.

use std::path::{Path, PathBuf};

/// Names the state directory (default [`STATE_DIR`]).
pub const STATE_ENV: &str = "SAFE_APPLY_STATE_DIR";
/// Names the runtime directory (default [`RUN_DIR`]).
pub const RUN_ENV: &str = "SAFE_APPLY_RUN_DIR";
/// Names the configuration file (default [`CONFIG_FILE`]).
pub const CONFIG_ENV: &str = "SAFE_APPLY_CONFIG";
/// Names the directory that stands for `/` where boot-time rule files are looked for (default `/`).
pub const ROOT_ENV: &str = "SAFE_APPLY_ROOT";
/// Transactions, kept across reboots.
pub const STATE_DIR: &str = "/var/lib/safe-apply";
/// Lock and control socket; empty after a reboot.
pub const RUN_DIR: &str = "/run/safe-apply";
/// The administrator's settings.
pub const CONFIG_FILE: &str = "/etc/safe-apply.toml";

/// The directories that one installation works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Durable state, mode 0700.
    pub state: PathBuf,
    /// Runtime state, gone after a reboot.
    pub run: PathBuf,
    /// `safe-apply.toml`.
    pub config: PathBuf,
    /// Stands for `/` where the distribution's own rule files are looked for.
    pub root: PathBuf,
}

impl Paths {
    /// Reads the environment, falling back to the fixed places.
    #[must_use]
    pub fn from_env() -> Self {
        let from = |name: &str, default: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        Self {
            state: from(STATE_ENV, STATE_DIR),
            run: from(RUN_ENV, RUN_DIR),
            config: from(CONFIG_ENV, CONFIG_FILE),
            root: from(ROOT_ENV, "/"),
        }
    }

    /// The directory that holds one subdirectory per transaction.
    #[must_use]
    pub fn transactions(&self) -> PathBuf {
        self.state.join("transactions")
    }

    /// `path` (absolute) as seen below [`Paths::root`].
    #[must_use]
    pub fn rooted(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path.trim_start_matches('/')))
    }
}
