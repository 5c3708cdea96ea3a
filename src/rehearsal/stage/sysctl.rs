//! Kernel parameters below `/proc/sys/net` (`ip-sysctl.rst` of the kernel), in the
//! calling thread's network namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::plan::Plan;

/// In the server namespace, whatever the host has. Nothing configures itself, what is
/// rejected is told every time as many probes are sent at once, and nothing is written to
/// the host's log.
const SERVER: [(&str, &str); 11] = [
    ("net/ipv4/conf/all/log_martians", "0"),
    ("net/ipv4/conf/default/log_martians", "0"),
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv4/icmp_ratemask", "0"),
    ("net/ipv6/icmp/ratelimit", "0"),
    // Type 1, destination unreachable, is not limited.
    ("net/ipv6/icmp/ratemask", "0,3-127"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    ("net/ipv6/conf/default/use_tempaddr", "0"),
];

/// In the world, of `all` interfaces and by `default`; the kernel gives new namespaces what
/// its first one has. An address is resolved only on the wire that it is on, by the address
/// that a neighbour there would ask from; nothing is forwarded.
const WORLD_V4: [(&str, &str); 8] = [
    ("forwarding", "0"),
    ("rp_filter", "0"),
    ("arp_announce", "1"),
    ("arp_filter", "0"),
    ("arp_ignore", "1"),
    ("proxy_arp", "0"),
    ("proxy_arp_pvlan", "0"),
    ("log_martians", "0"),
];

/// As [`WORLD_V4`].
const WORLD_V6: [(&str, &str); 6] = [
    ("disable_ipv6", "0"),
    ("forwarding", "0"),
    ("accept_ra", "0"),
    ("accept_dad", "0"),
    ("router_solicitations", "0"),
    ("proxy_ndp", "0"),
];

/// In the world, of no interface.
const WORLD: [(&str, &str); 4] = [
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv4/icmp_ratemask", "0"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
    ("net/ipv4/icmp_echo_ignore_all", "0"),
];

/// Settings of an interface that are the stage's own: how it comes by addresses, and its
/// secrets.
const OWN: [&str; 11] = [
    "accept_dad",
    "accept_ra",
    "addr_gen_mode",
    "autoconf",
    "dad_transmits",
    "enhanced_dad",
    "mtu",
    "optimistic_dad",
    "router_solicitations",
    "stable_secret",
    "use_tempaddr",
];

/// What could not be set.
#[derive(Debug, Default)]
pub(super) struct Failures {
    read_only: bool,
    words: Vec<String>,
}

impl Failures {
    /// In words, one line for all of them if nothing can be set at all.
    pub(super) fn into_words(self) -> Vec<String> {
        if self.read_only {
            let reason = "/proc/sys is read-only: kernel parameters are not those of this host";
            return vec![reason.to_owned()];
        }
        self.words
    }

    /// Those of `other` as well.
    pub(super) fn add(&mut self, other: Self) {
        self.read_only |= other.read_only;
        self.words.extend(other.words);
    }

    fn set(&mut self, path: &str, value: &str) {
        match write(path, value) {
            Ok(()) => {}
            // What is not in a new namespace is the same for all of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                self.read_only = true;
            }
            Err(error) => self.words.push(format!("kernel parameter {path}: {error}")),
        }
    }
}

/// Sets what interfaces made from now on start with, and all that belongs to none.
pub(super) fn prepare_server(host: &BTreeMap<String, String>) -> Failures {
    let mut failures = Failures::default();
    let mut general: Vec<(&String, &String)> = host
        .iter()
        .filter(|(path, _)| is_allowed(path) && !is_overridden(path))
        .filter(|(path, _)| interface(path).is_none_or(|name| name == "all" || name == "default"))
        .collect();
    // Forwarding resets others, and "all" resets "default".
    general.sort_by_key(|(path, _)| (!path.ends_with("forward"), !path.contains("/all/")));
    for (path, value) in general {
        failures.set(path, value);
    }
    for (path, value) in SERVER {
        failures.set(path, value);
    }
    failures
}

/// Sets what belongs to the interfaces that were made; what they started with is left alone.
pub(super) fn finish_server(host: &BTreeMap<String, String>, plan: &Plan) -> Failures {
    let mut failures = Failures::default();
    let wires = plan.wires.values().map(|wire| wire.name.as_str());
    let idle = plan.idle.values().map(|idle| idle.name.as_str());
    let names: BTreeSet<&str> = wires.chain(idle).chain(["lo"]).collect();
    for (path, value) in host {
        let Some(name) = interface(path) else {
            continue;
        };
        if !names.contains(name) || !is_allowed(path) || is_overridden(path) {
            continue;
        }
        let default = path.replacen(&format!("/conf/{name}/"), "/conf/default/", 1);
        if name == "lo" || host.get(&default) != Some(value) {
            failures.set(path, value);
        }
    }
    failures
}

/// Sets what the world needs; to be done before there are interfaces.
pub(super) fn prepare_world() -> Failures {
    let mut failures = Failures::default();
    for (path, value) in WORLD {
        failures.set(path, value);
    }
    for (family, list) in [("ipv4", WORLD_V4.as_slice()), ("ipv6", WORLD_V6.as_slice())] {
        for (name, value) in list {
            for scope in ["all", "default"] {
                failures.set(&format!("net/{family}/conf/{scope}/{name}"), value);
            }
        }
    }
    failures
}

/// The interface that `net/ipv4/conf/NAME/...` is about.
fn interface(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("net/")?;
    let (_, rest) = rest.split_once("/conf/")?;
    Some(rest.split_once('/')?.0)
}

fn is_allowed(path: &str) -> bool {
    path.starts_with("net/") && !path.split('/').any(|part| part == "..")
}

fn is_overridden(path: &str) -> bool {
    let own = path
        .rsplit('/')
        .next()
        .is_some_and(|last| OWN.contains(&last));
    interface(path).is_some() && own || SERVER.iter().any(|(other, _)| *other == path)
}

/// Writes only what differs: a parameter that the host shares has its value already.
fn write(path: &str, value: &str) -> io::Result<()> {
    let file = Path::new("/proc/sys").join(path);
    let current = fs::read_to_string(&file)?;
    if current.split_whitespace().eq(value.split_whitespace()) {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).open(&file)?;
    file.write_all(value.as_bytes())
}
