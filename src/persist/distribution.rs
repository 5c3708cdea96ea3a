//! Which family of distributions this host belongs to.

use std::path::PathBuf;

use crate::paths::Paths;

/// Distributions that load firewall rules from the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Debian, Ubuntu and others like them.
    Debian,
    /// Red Hat Enterprise Linux, Fedora, Rocky, Alma, Amazon.
    RedHat,
    /// Alpine.
    Alpine,
    /// Arch and others like it.
    Arch,
    /// No place is known.
    Other,
}

/// Reads `/etc/os-release`, else `/usr/lib/os-release` (os-release(5)), below the root in `paths`.
#[must_use]
pub fn distribution(paths: &Paths) -> Distribution {
    let files: [PathBuf; 2] = [
        paths.rooted("/etc/os-release"),
        paths.rooted("/usr/lib/os-release"),
    ];
    files
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok())
        .map_or(Distribution::Other, |text| parse_os_release(&text))
}

/// Judges by `ID`, then by the words of `ID_LIKE` in their order.
#[must_use]
pub fn parse_os_release(text: &str) -> Distribution {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.trim().split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.trim_matches(['"', '\'']).to_ascii_lowercase())
            .unwrap_or_default()
    };
    let (id, like) = (value("ID"), value("ID_LIKE"));
    std::iter::once(id.as_str())
        .chain(like.split_ascii_whitespace())
        .find_map(known)
        .unwrap_or(Distribution::Other)
}

fn known(id: &str) -> Option<Distribution> {
    match id {
        "debian" | "ubuntu" | "raspbian" | "devuan" => Some(Distribution::Debian),
        "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => {
            Some(Distribution::RedHat)
        }
        "alpine" => Some(Distribution::Alpine),
        "arch" | "archlinux" | "manjaro" => Some(Distribution::Arch),
        _ => None,
    }
}
