//! The programs that manage this host's rules: firewalld, ufw, Shorewall, and the services that
//! load rule files at boot. What they undo of a change, and how they keep one.
//!
//! All of it is read from files: which services are enabled or run, and what their settings say.
//! The rules that programs such as Docker and fail2ban add are seen in [`crate::checkpoint::taken`].

mod keeper;
mod undone;
mod units;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use keeper::{Keeper, keeper, no_keeper};
pub use undone::{Change, is_firewallds, kind_of, kinds_of, undone};
pub use units::{is_active, is_enabled};

use crate::candidate::Kind;
use crate::paths::Paths;
use crate::persist::{boot_files, loaded_by};

/// A program with rules of its own in the kernel, made from settings that are no rule files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    /// firewalld(1).
    Firewalld,
    /// ufw(8).
    Ufw,
    /// shorewall(8), IPv4.
    Shorewall,
    /// shorewall(8), IPv6.
    Shorewall6,
}

impl Manager {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Firewalld,
        Self::Ufw,
        Self::Shorewall,
        Self::Shorewall6,
    ];

    /// The name of its service, and of the program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firewalld => "firewalld",
            Self::Ufw => "ufw",
            Self::Shorewall => "shorewall",
            Self::Shorewall6 => "shorewall6",
        }
    }

    /// Where its settings are.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Firewalld => "/etc/firewalld",
            Self::Ufw => "/etc/ufw",
            Self::Shorewall => "/etc/shorewall",
            Self::Shorewall6 => "/etc/shorewall6",
        }
    }

    /// What to type instead of applying a rule file.
    #[must_use]
    pub const fn instead(self) -> &'static str {
        match self {
            Self::Firewalld => "safe-apply run --persist -- firewall-cmd …",
            Self::Ufw => "safe-apply run -- ufw …",
            Self::Shorewall => "safe-apply run -- shorewall reload",
            Self::Shorewall6 => "safe-apply run -- shorewall6 reload",
        }
    }
}

/// A manager that is at work on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working {
    /// Which.
    pub manager: Manager,
    /// How that is known, for people: `ufw.service is enabled`.
    pub evidence: String,
}

/// A service that loads a rule file at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// Its name, without `.service`.
    pub unit: &'static str,
    /// What it loads.
    pub kind: Kind,
    /// From where.
    pub file: PathBuf,
}

/// Who manages the rules of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managers {
    /// The managers at work.
    pub working: Vec<Working>,
    /// The services that load rule files at boot.
    pub loaders: Vec<Loader>,
    /// How it is known that nftables.service empties all of nf_tables; none where it does not.
    pub flushes: Option<String>,
}

impl Managers {
    /// Looks around below the root in `paths`. What cannot be read is not there.
    #[must_use]
    pub fn survey(paths: &Paths) -> Self {
        let working = Manager::ALL.into_iter().filter_map(|manager| {
            let evidence = evidence(paths, manager)?;
            Some(Working { manager, evidence })
        });
        let files = boot_files(paths);
        let loaders = Kind::ALL.into_iter().filter_map(|kind| {
            Some(Loader {
                unit: loaded_by(paths, kind)?,
                kind,
                file: unrooted(paths, files.of(kind)?),
            })
        });
        Self {
            working: working.collect(),
            loaders: loaders.collect(),
            flushes: flushes(paths),
        }
    }

    /// Whether and how `manager` is known to be at work.
    #[must_use]
    pub fn evidence_of(&self, manager: Manager) -> Option<&str> {
        let mut all = self.working.iter();
        let found = all.find(|one| one.manager == manager)?;
        Some(&found.evidence)
    }

    /// The service that loads `kind` at boot.
    #[must_use]
    pub fn loader(&self, kind: Kind) -> Option<&Loader> {
        self.loaders.iter().find(|loader| loader.kind == kind)
    }

    /// The kinds that something loads at boot.
    #[must_use]
    pub fn loaded(&self) -> BTreeSet<Kind> {
        self.loaders.iter().map(|loader| loader.kind).collect()
    }
}

/// `path` as it is without the root in `paths`.
fn unrooted(paths: &Paths, path: &Path) -> PathBuf {
    let inside = path.strip_prefix(&paths.root).unwrap_or(path);
    Path::new("/").join(inside)
}

fn evidence(paths: &Paths, manager: Manager) -> Option<String> {
    let name = manager.name();
    if manager == Manager::Ufw {
        // Its service is enabled when it is installed, and does nothing until then (ufw(8)).
        let conf = "/etc/ufw/ufw.conf";
        let text = std::fs::read_to_string(paths.rooted(conf)).ok()?;
        let on = setting(&text, "ENABLED").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        return on.then(|| format!("{conf} has ENABLED=yes"));
    }
    let (active, enabled) = (is_active(paths, name), is_enabled(paths, name));
    match (active, enabled) {
        (true, _) => Some(format!("{name}.service is running")),
        (false, true) => Some(format!("{name}.service is enabled")),
        (false, false) => None,
    }
}

/// The value of `key` in a file of shell assignments.
fn setting(text: &str, key: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.split('#').next().unwrap_or_default().trim();
        (name == key).then(|| value.trim_matches(['"', '\'']).to_owned())
    });
    values.next_back()
}

/// nftables.service of Debian stops with `flush ruleset`; the script that it starts with may, too.
fn flushes(paths: &Paths) -> Option<String> {
    const UNIT: &str = "nftables";
    if !is_enabled(paths, UNIT) && !is_active(paths, UNIT) {
        return None;
    }
    let file = boot_files(paths).nft?;
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let mut statements = text.lines().map(|line| line.trim().trim_end_matches(';'));
    let flush = |line: &str| line.split_ascii_whitespace().eq(["flush", "ruleset"]);
    if statements.any(flush) {
        let file = unrooted(paths, &file);
        return Some(format!("{} has 'flush ruleset'", file.display()));
    }
    let stop = units::unit_file(paths, UNIT).is_some_and(|text| {
        let mut lines = text.lines();
        lines.any(|line| line.starts_with("ExecStop=") && line.contains("flush ruleset"))
    });
    stop.then(|| format!("{UNIT}.service stops with 'flush ruleset'"))
}
