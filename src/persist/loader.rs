//! Whether anything loads the files at boot.

use std::path::Path;

use super::distribution::{Distribution, distribution};
use crate::candidate::Kind;
use crate::paths::Paths;

/// Where netfilter-persistent keeps what it runs (Debian).
const PLUGINS: &str = "/usr/share/netfilter-persistent/plugins.d";

/// What the user has to do so that the file for `kind` is loaded at boot; `None` when something
/// loads it already, or nothing is known about this distribution.
#[must_use]
pub fn loader_note(paths: &Paths, kind: Kind) -> Option<String> {
    let todo = match distribution(paths) {
        Distribution::Debian => debian(paths, kind),
        Distribution::RedHat => red_hat(paths, kind),
        Distribution::Alpine => alpine(paths, kind),
        Distribution::Arch => systemd(paths, service(kind)),
        Distribution::Other => None,
    }?;
    Some(format!("nothing loads {kind} at boot yet: {todo}"))
}

/// The service's name outside Debian.
const fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::IptablesV4 => "iptables",
        Kind::IptablesV6 => "ip6tables",
        Kind::Nft => "nftables",
        Kind::Ipset => "ipset",
    }
}

fn debian(paths: &Paths, kind: Kind) -> Option<String> {
    let (plugin, package) = match kind {
        Kind::IptablesV4 => ("15-ip4tables", "iptables-persistent"),
        Kind::IptablesV6 => ("25-ip6tables", "iptables-persistent"),
        Kind::Ipset => ("10-ipset", "ipset-persistent"),
        Kind::Nft => return systemd(paths, "nftables"),
    };
    if paths.rooted(PLUGINS).join(plugin).exists() {
        systemd(paths, "netfilter-persistent")
    } else {
        Some(format!("apt install {package}"))
    }
}

fn red_hat(paths: &Paths, kind: Kind) -> Option<String> {
    let (unit, package) = match kind {
        Kind::IptablesV4 => ("iptables", "iptables-services"),
        Kind::IptablesV6 => ("ip6tables", "iptables-services"),
        Kind::Nft => ("nftables", "nftables"),
        Kind::Ipset => ("ipset", "ipset-service"),
    };
    let installed = paths
        .rooted("/usr/lib/systemd/system")
        .join(format!("{unit}.service"))
        .exists();
    if installed {
        systemd(paths, unit)
    } else {
        Some(format!("dnf install {package} && systemctl enable {unit}"))
    }
}

fn alpine(paths: &Paths, kind: Kind) -> Option<String> {
    let name = service(kind);
    let enabled = any_entry(&paths.rooted("/etc/runlevels"), |level| level.join(name));
    (!enabled).then(|| format!("rc-update add {name}"))
}

/// Without `/etc/systemd/system` another init is at work, and nothing is said.
fn systemd(paths: &Paths, unit: &str) -> Option<String> {
    let units = paths.rooted("/etc/systemd/system");
    let wanted = format!("{unit}.service");
    let enabled = any_entry(&units, |dir| dir.join(&wanted));
    (units.is_dir() && !enabled).then(|| format!("systemctl enable {unit}"))
}

/// Whether `inside` exists, as a symlink at least, for one of the directories in `dir`.
fn any_entry(dir: &Path, inside: impl Fn(&Path) -> std::path::PathBuf) -> bool {
    std::fs::read_dir(dir).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| inside(&entry.path()).symlink_metadata().is_ok())
    })
}
