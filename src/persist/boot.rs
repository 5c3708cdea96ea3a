//! The files that are loaded at boot.

use std::path::{Path, PathBuf};

use super::distribution::{Distribution, distribution};
use crate::candidate::Kind;
use crate::paths::Paths;

/// Where rules are loaded from at boot; `None` where the distribution has no such place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootFiles {
    /// IPv4 rules in iptables-save format.
    pub v4: Option<PathBuf>,
    /// IPv6 rules in iptables-save format.
    pub v6: Option<PathBuf>,
    /// An nft script.
    pub nft: Option<PathBuf>,
    /// Sets in ipset save format.
    pub ipset: Option<PathBuf>,
}

impl BootFiles {
    /// The file for `kind`.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Option<&Path> {
        match kind {
            Kind::IptablesV4 => self.v4.as_deref(),
            Kind::IptablesV6 => self.v6.as_deref(),
            Kind::Nft => self.nft.as_deref(),
            Kind::Ipset => self.ipset.as_deref(),
        }
    }
}

/// Files for IPv4, IPv6, nft, ipset.
type Places = [Option<&'static str>; 4];

/// Debian: plugins 15-ip4tables, 25-ip6tables and 10-ipset of netfilter-persistent 1.0.20, and nftables.service.
const DEBIAN: Places = [
    Some("/etc/iptables/rules.v4"),
    Some("/etc/iptables/rules.v6"),
    Some("/etc/nftables.conf"),
    Some("/etc/iptables/ipsets"),
];
/// Red Hat: iptables-services, nftables.service, ipset-service.
const RED_HAT: Places = [
    Some("/etc/sysconfig/iptables"),
    Some("/etc/sysconfig/ip6tables"),
    Some("/etc/sysconfig/nftables.conf"),
    Some("/etc/sysconfig/ipset"),
];
/// Alpine: the defaults in `/etc/conf.d`; its `/etc/ipset.d` is not in ipset save format.
const ALPINE: Places = [
    Some("/etc/iptables/rules-save"),
    Some("/etc/iptables/rules6-save"),
    Some("/etc/nftables.nft"),
    None,
];
/// Arch: iptables.service, ip6tables.service, nftables.service, ipset.service.
const ARCH: Places = [
    Some("/etc/iptables/iptables.rules"),
    Some("/etc/iptables/ip6tables.rules"),
    Some("/etc/nftables.conf"),
    Some("/etc/ipset.conf"),
];
/// Directories whose files distributions' own nft scripts include.
const NFT_DIRS: [&str; 2] = ["/etc/nftables.d", "/etc/nftables"];

/// Where this distribution loads rules at boot, below the root in `paths`.
#[must_use]
pub fn boot_files(paths: &Paths) -> BootFiles {
    let places = match distribution(paths) {
        Distribution::Debian => DEBIAN,
        Distribution::RedHat => RED_HAT,
        Distribution::Alpine => ALPINE,
        Distribution::Arch => ARCH,
        Distribution::Other => return BootFiles::default(),
    };
    let [v4, v6, nft, ipset] = places.map(|place| place.map(|path| paths.rooted(path)));
    BootFiles { v4, v6, nft, ipset }
}

/// Whether `candidate` is loaded at boot, directly, through a symlink, or because the nft script
/// that is loaded at boot includes it. On an unknown distribution, any known place counts.
#[must_use]
pub fn is_boot_file(paths: &Paths, candidate: &Path) -> bool {
    let Ok(candidate) = candidate.canonicalize() else {
        return false;
    };
    let is = |path: &Path| path.canonicalize().is_ok_and(|path| path == candidate);
    let known: Vec<PathBuf> = match distribution(paths) {
        Distribution::Other => [DEBIAN, RED_HAT, ALPINE, ARCH]
            .into_iter()
            .flatten()
            .flatten()
            .map(|path| paths.rooted(path))
            .collect(),
        Distribution::Debian | Distribution::RedHat | Distribution::Alpine | Distribution::Arch => {
            let files = boot_files(paths);
            [files.v4, files.v6, files.nft, files.ipset]
                .into_iter()
                .flatten()
                .collect()
        }
    };
    known.iter().any(|path| is(path))
        || NFT_DIRS.iter().any(|dir| {
            candidate
                .parent()
                .is_some_and(|parent| same(&paths.rooted(dir), parent))
        })
        || known.iter().any(|path| includes(paths, path, &candidate))
}

fn same(a: &Path, canonical: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| a == canonical)
}

/// Whether the nft script at `script` includes `candidate` (canonical); `*` may stand in the last
/// part of the path, and relative paths count from `/etc` (nft(8)).
fn includes(paths: &Paths, script: &Path, candidate: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(script) else {
        return false;
    };
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("include"))
        .filter_map(|rest| rest.trim().trim_end_matches(';').trim().strip_prefix('"'))
        .filter_map(|rest| rest.strip_suffix('"'))
        .any(|path| {
            let path = if path.starts_with('/') {
                paths.rooted(path)
            } else {
                paths.rooted("/etc").join(path)
            };
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let pattern = name.as_deref().and_then(|name| name.split_once('*'));
            let Some((before, after)) = pattern else {
                return same(&path, candidate);
            };
            let in_dir = match (path.parent(), candidate.parent()) {
                (Some(dir), Some(parent)) => same(dir, parent),
                (_, _) => false,
            };
            let file = candidate.file_name().map(|name| name.to_string_lossy());
            in_dir && file.is_some_and(|file| file.starts_with(before) && file.ends_with(after))
        })
}
