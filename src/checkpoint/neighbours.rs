//! What a change takes away from other programs: Docker, Kubernetes, fail2ban and their like
//! put chains, tables and sets of their own into the firewall, and do not notice that they are gone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Part, Snapshot};
use crate::legacy::Family;

/// How many names are listed for one program.
const NAMES_SHOWN: usize = 4;

/// A program that keeps rules of its own.
struct Program {
    name: &'static str,
    /// Beginnings of the names of its chains and ipsets.
    prefixes: &'static [&'static str],
    /// Its own nf_tables tables, by full name.
    tables: &'static [&'static str],
    /// How it puts its rules back.
    remedy: &'static str,
}

/// Names as these programs' documentation and sources give them.
const PROGRAMS: [Program; 12] = [
    Program {
        name: "Docker",
        prefixes: &["DOCKER"],
        tables: &["docker-bridges"],
        remedy: "systemctl restart docker",
    },
    Program {
        name: "Kubernetes",
        prefixes: &["KUBE-", "cali-", "CILIUM_", "FLANNEL-"],
        tables: &["kube-proxy", "calico"],
        remedy: "restart kube-proxy and the network plugin",
    },
    Program {
        name: "CNI plugins",
        prefixes: &["CNI-", "cni-"],
        tables: &["cni_plugins_masquerade", "cni_hostport"],
        remedy: "restart the containers that use them",
    },
    Program {
        name: "podman",
        prefixes: &["NETAVARK", "nv_"],
        tables: &["netavark"],
        remedy: "podman network reload --all",
    },
    Program {
        name: "fail2ban",
        prefixes: &["f2b-", "fail2ban-"],
        tables: &["f2b-table"],
        remedy: "systemctl restart fail2ban",
    },
    Program {
        name: "CrowdSec",
        prefixes: &["CROWDSEC", "crowdsec"],
        tables: &["crowdsec", "crowdsec6"],
        remedy: "systemctl restart crowdsec-firewall-bouncer",
    },
    Program {
        name: "libvirt",
        prefixes: &["LIBVIRT_"],
        tables: &["libvirt_network"],
        remedy: "systemctl restart libvirtd (or virtnetworkd)",
    },
    Program {
        name: "Tailscale",
        prefixes: &["ts-"],
        tables: &[],
        remedy: "systemctl restart tailscaled",
    },
    Program {
        name: "ufw",
        prefixes: &["ufw-", "ufw6-"],
        tables: &[],
        remedy: "ufw reload",
    },
    Program {
        name: "firewalld",
        prefixes: &[],
        tables: &["firewalld"],
        remedy: "systemctl restart firewalld",
    },
    Program {
        name: "LXD",
        prefixes: &["lxd_"],
        tables: &["lxd"],
        remedy: "systemctl restart lxd",
    },
    Program {
        name: "Incus",
        prefixes: &["incus_"],
        tables: &["incus"],
        remedy: "systemctl restart incus",
    },
];

/// What a change takes away from one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What is gone or empty, and how the program puts it back, for people.
    pub message: String,
    /// Where it was.
    pub parts: BTreeSet<Part>,
}

/// For each program of which `after` holds less than `before`: what is gone or
/// empty, and how the program puts it back. One line each, for people.
#[must_use]
pub fn neighbours(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let taken = taken(before, after).into_iter();
    taken.map(|one| one.message).collect()
}

/// The same, and where it was.
#[must_use]
pub fn taken(before: &Snapshot, after: &Snapshot) -> Vec<Taken> {
    let (before, after) = (inventory(before), inventory(after));
    let mut gone: BTreeMap<usize, (BTreeSet<String>, BTreeSet<Part>)> = BTreeMap::new();
    for ((owner, name), (part, size)) in &before {
        let line = match after.get(&(*owner, name.clone())) {
            None => format!("{name} is gone"),
            Some((_, 0)) if *size > 0 => format!("{name} is empty"),
            Some(_) => continue,
        };
        let (lines, parts) = gone.entry(*owner).or_default();
        lines.insert(line);
        parts.insert(part.clone());
    }
    gone.into_iter()
        .filter_map(|(owner, (lines, parts))| {
            let message = warning(PROGRAMS.get(owner)?, &lines);
            Some(Taken { message, parts })
        })
        .collect()
}

/// For each program whose chains or sets `lines` (of [`Snapshot::describe`]) name: that what it
/// changed went with a rollback, and how it puts it back.
#[must_use]
pub fn lost(lines: &[String]) -> Vec<String> {
    let words = lines.iter().flat_map(|line| line.split([' ', ':', '"']));
    let programs: BTreeSet<usize> = words.filter_map(by_prefix).collect();
    let programs = programs.into_iter().filter_map(|one| PROGRAMS.get(one));
    programs
        .map(|program| {
            format!(
                "what {} changed meanwhile in these tables went with the rollback; it puts it back: {}",
                program.name, program.remedy
            )
        })
        .collect()
}

/// The program that a chain, set or table of that name belongs to by its name.
#[must_use]
pub fn owner_of(part: &Part, name: &str) -> Option<&'static str> {
    let table = match part {
        Part::Nft(id) => owner(&id.name, |program| program.tables.contains(&&*id.name)),
        Part::Legacy(..) | Part::Set(_) => None,
    };
    let found = table.or_else(|| by_prefix(name))?;
    PROGRAMS.get(found).map(|program| program.name)
}

fn warning(program: &Program, lines: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = lines.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = match lines.len().saturating_sub(NAMES_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the new rules take away what belongs to {}: {}{more}. Once they are confirmed, put it back: {}",
        program.name,
        shown.join(", "),
        program.remedy
    )
}

/// What belongs to which program (by its place in [`PROGRAMS`]): where it is, how many rules or members it holds.
fn inventory(snapshot: &Snapshot) -> BTreeMap<(usize, String), (Part, usize)> {
    let mut found = BTreeMap::new();
    for table in &snapshot.nft.tables {
        let id = &table.id;
        let part = || Part::Nft(id.clone());
        let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
        if let Some(owner) = owner(&id.name, |program| program.tables.contains(&&*id.name)) {
            found.insert((owner, format!("table {id}")), (part(), rules));
            continue;
        }
        for chain in table.named_chains() {
            if let Some(owner) = by_prefix(&chain.name) {
                let name = format!("chain {} in table {id}", chain.name);
                found.insert((owner, name), (part(), chain.rules.len()));
            }
        }
        for set in table.named_sets() {
            if let Some(owner) = by_prefix(&set.name) {
                let name = format!("set {} in table {id}", set.name);
                // Members come and go; a set that is there is the program's to fill.
                found.insert((owner, name), (part(), 0));
            }
        }
    }
    for family in [Family::V4, Family::V6] {
        for (table, text) in snapshot.legacy.of(family) {
            for (chain, rules) in chains(text) {
                if let Some(owner) = by_prefix(chain) {
                    let name = format!("chain {chain} in {family} table {table}");
                    let part = Part::Legacy(family, table.clone());
                    found.insert((owner, name), (part, rules));
                }
            }
        }
    }
    for set in &snapshot.sets.sets {
        if let Some(owner) = by_prefix(&set.name) {
            let part = Part::Set(set.name.clone());
            found.insert((owner, format!("ipset {}", set.name)), (part, 0));
        }
    }
    found
}

fn by_prefix(name: &str) -> Option<usize> {
    owner(name, |program| {
        program
            .prefixes
            .iter()
            .any(|prefix| name.starts_with(prefix))
    })
}

fn owner(name: &str, belongs: impl Fn(&Program) -> bool) -> Option<usize> {
    PROGRAMS
        .iter()
        .position(|program| !name.is_empty() && belongs(program))
}

/// Chains in a table as `iptables-save` prints it, each with the number of its rules.
fn chains(text: &str) -> BTreeMap<&str, usize> {
    let mut chains: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix(':') {
            chains
                .entry(rest.split(' ').next().unwrap_or_default())
                .or_default();
        } else if let Some(at) = line.find("-A ")
            && let Some(chain) = line[at + 3..].split(' ').next()
        {
            *chains.entry(chain).or_default() += 1;
        }
    }
    chains
}
