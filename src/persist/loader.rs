//! Whether anything loads the files at boot.

use super::distribution::{Distribution, distribution};
use crate::candidate::Kind;
use crate::managers::is_enabled;
use crate::paths::Paths;

/// Where netfilter-persistent keeps what it runs (Debian).
const PLUGINS: &str = "/usr/share/netfilter-persistent/plugins.d";

/// What the user has to do so that the file for `kind` is loaded at boot; `None` when something
/// loads it already, or nothing is known about this distribution.
#[must_use]
pub fn loader_note(paths: &Paths, kind: Kind) -> Option<String> {
    let (unit, package) = service(paths, kind)?;
    let todo = match distribution(paths) {
        Distribution::Debian if !has_plugin(paths, kind) => Some(format!("apt install {package}")),
        Distribution::RedHat if !is_installed(paths, unit) => {
            Some(format!("dnf install {package} && systemctl enable {unit}"))
        }
        Distribution::Alpine => (!is_enabled(paths, unit)).then(|| format!("rc-update add {unit}")),
        Distribution::Debian | Distribution::RedHat | Distribution::Arch => {
            // Without this directory another init is at work, and nothing is said.
            let systemd = paths.rooted("/etc/systemd/system").is_dir();
            (systemd && !is_enabled(paths, unit)).then(|| format!("systemctl enable {unit}"))
        }
        Distribution::Other => None,
    }?;
    Some(format!("nothing loads {kind} at boot yet: {todo}"))
}

/// The service that loads the file for `kind` at boot; `None` where none is enabled.
#[must_use]
pub fn loaded_by(paths: &Paths, kind: Kind) -> Option<&'static str> {
    let (unit, _) = service(paths, kind)?;
    let plugin = distribution(paths) != Distribution::Debian || has_plugin(paths, kind);
    (plugin && is_enabled(paths, unit)).then_some(unit)
}

/// The service that can load `kind`, and the package that has it.
fn service(paths: &Paths, kind: Kind) -> Option<(&'static str, &'static str)> {
    let common = match kind {
        Kind::IptablesV4 => "iptables",
        Kind::IptablesV6 => "ip6tables",
        Kind::Nft => "nftables",
        Kind::Ipset => "ipset",
    };
    Some(match (distribution(paths), kind) {
        (Distribution::Debian, Kind::Nft) => ("nftables", "nftables"),
        (Distribution::Debian, Kind::Ipset) => ("netfilter-persistent", "ipset-persistent"),
        (Distribution::Debian, Kind::IptablesV4 | Kind::IptablesV6) => {
            ("netfilter-persistent", "iptables-persistent")
        }
        (Distribution::RedHat, Kind::IptablesV4 | Kind::IptablesV6) => {
            (common, "iptables-services")
        }
        (Distribution::RedHat, Kind::Ipset) => (common, "ipset-service"),
        (Distribution::RedHat | Distribution::Alpine | Distribution::Arch, _) => (common, common),
        (Distribution::Other, _) => return None,
    })
}

/// Whether what netfilter-persistent needs for `kind` is there; nft scripts are not its own.
fn has_plugin(paths: &Paths, kind: Kind) -> bool {
    let plugin = match kind {
        Kind::IptablesV4 => "15-ip4tables",
        Kind::IptablesV6 => "25-ip6tables",
        Kind::Ipset => "10-ipset",
        Kind::Nft => return true,
    };
    paths.rooted(PLUGINS).join(plugin).exists()
}

fn is_installed(paths: &Paths, unit: &str) -> bool {
    let file = paths
        .rooted("/usr/lib/systemd/system")
        .join(format!("{unit}.service"));
    file.exists()
}
