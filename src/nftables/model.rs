//! What a namespace holds: tables and what is in them, as raw attributes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::kernel::{chain, flowtable, set};
use crate::netlink::{Attributes, find};

/// A table's family (`NFPROTO_*`) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId {
    /// `NFPROTO_IPV4` (2), `NFPROTO_INET` (1), …
    pub family: u8,
    /// The table's name.
    pub name: String,
}

impl fmt::Display for TableId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            1 => write!(out, "inet {}", self.name),
            2 => write!(out, "ip {}", self.name),
            3 => write!(out, "arp {}", self.name),
            5 => write!(out, "netdev {}", self.name),
            7 => write!(out, "bridge {}", self.name),
            10 => write!(out, "ip6 {}", self.name),
            other => write!(out, "family-{other} {}", self.name),
        }
    }
}

/// All nf_tables tables of a namespace, except those that a process owns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// The kernel's generation at the time of the capture.
    pub generation: u32,
    /// The tables, in the kernel's order.
    pub tables: Vec<Table>,
    /// Tables that belong to a process (`NFT_TABLE_F_OWNER`): left alone.
    pub owned: Vec<TableId>,
}

impl Ruleset {
    /// The table called `id`.
    #[must_use]
    pub fn table(&self, id: &TableId) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == *id)
    }

    /// Devices named by netdev and inet ingress hooks and by flowtables: a
    /// namespace needs them before these rules can be loaded there.
    #[must_use]
    pub fn device_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for table in &self.tables {
            for one in &table.chains {
                collect_devices(&one.attributes, chain::HOOK, chain::HOOK_DEVS, &mut names);
            }
            for one in &table.flowtables {
                let devices = flowtable::HOOK_DEVS;
                collect_devices(&one.attributes, flowtable::HOOK, devices, &mut names);
            }
        }
        names
    }
}

fn collect_devices(attributes: &[u8], hook: u16, devices: u16, names: &mut BTreeSet<String>) {
    let Some(hook_attribute) = find(attributes, hook) else {
        return;
    };
    for attribute in hook_attribute.nested() {
        if attribute.kind() == devices {
            let listed = attribute.nested();
            names.extend(
                listed
                    .filter(|device| device.kind() == chain::DEVICE_NAME)
                    .map(|device| device.text()),
            );
        } else if hook == chain::HOOK && attribute.kind() == chain::HOOK_DEV {
            names.insert(attribute.text());
        }
    }
}

/// A table with all it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Family and name.
    pub id: TableId,
    /// The kernel's number for the table.
    pub handle: u64,
    /// `NFTA_TABLE_*` as dumped, without name, handle, owner and use count.
    pub attributes: Vec<u8>,
    /// Chains, in the kernel's order; chains bound to a rule (`jump { … }`) included.
    pub chains: Vec<Chain>,
    /// Stateful objects, in the kernel's order.
    pub objects: Vec<Object>,
    /// Flowtables, in the kernel's order.
    pub flowtables: Vec<Flowtable>,
    /// Sets and maps, in the kernel's order; anonymous ones included.
    pub sets: Vec<Set>,
}

impl Table {
    /// The chains that have names of their own.
    pub fn named_chains(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(|chain| !chain.is_bound())
    }

    /// The sets and maps that have names of their own.
    pub fn named_sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| !set.is_anonymous())
    }
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The chain's name; invented by the kernel for a bound chain.
    pub name: String,
    /// `NFTA_CHAIN_*` as dumped, without table, name, handle, use count, policy and counters.
    pub attributes: Vec<u8>,
    /// `NF_DROP` (0) or `NF_ACCEPT` (1); base chains only.
    pub policy: Option<u32>,
    /// Content of `NFTA_CHAIN_COUNTERS`; empty where the chain does not count.
    pub counters: Vec<u8>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// Whether the chain hangs on a hook.
    #[must_use]
    pub fn is_base(&self) -> bool {
        find(&self.attributes, chain::HOOK).is_some()
    }

    /// Whether the chain belongs to the one rule that jumps to it (`NFT_CHAIN_BINDING`).
    #[must_use]
    pub fn is_bound(&self) -> bool {
        find(&self.attributes, chain::FLAGS)
            .and_then(|flags| flags.be32())
            .is_some_and(|flags| flags & chain::BINDING != 0)
    }

    /// Whether packets that reach the chain's end are dropped.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.policy == Some(chain::DROP)
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The kernel's number for the rule, unique in its table.
    pub handle: u64,
    /// `NFTA_RULE_EXPRESSIONS` and `NFTA_RULE_USERDATA` as dumped.
    pub attributes: Vec<u8>,
}

/// A set or map with its elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The set's name; invented by the kernel for an anonymous set.
    pub name: String,
    /// `NFTA_SET_*` as dumped, without table, name, ID, handle, backend and element count.
    pub attributes: Vec<u8>,
    /// The elements: `NFTA_LIST_ELEM` attributes, in the kernel's order.
    pub elements: Vec<u8>,
}

impl Set {
    /// `NFT_SET_*` flags.
    #[must_use]
    pub fn flags(&self) -> u32 {
        find(&self.attributes, set::FLAGS)
            .and_then(|flags| flags.be32())
            .unwrap_or(0)
    }

    /// Whether the set belongs to the one rule that uses it.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.flags() & set::ANONYMOUS != 0
    }

    /// The template from which the kernel invented the set's name, if it did;
    /// an anonymous set that was made for a meter has a name of its own.
    #[must_use]
    pub fn name_template(&self) -> Option<&'static str> {
        let invented = |prefix: &str| {
            let number = self.name.strip_prefix(prefix);
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match self.is_anonymous() {
            true if invented("__set") => Some("__set%d"),
            true if invented("__map") => Some("__map%d"),
            _ => None,
        }
    }

    /// The elements, each the content of one `NFTA_LIST_ELEM`.
    pub fn elements(&self) -> impl Iterator<Item = &[u8]> {
        Attributes::new(&self.elements).map(|element| element.payload)
    }
}

/// A stateful object (named counter, quota, limit, ct helper, …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The object's name, unique among objects of its kind in the table.
    pub name: String,
    /// `NFT_OBJECT_*`.
    pub kind: u32,
    /// `NFTA_OBJ_*` as dumped, without table, name, handle and use count.
    pub attributes: Vec<u8>,
}

/// A flowtable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flowtable {
    /// The flowtable's name.
    pub name: String,
    /// `NFTA_FLOWTABLE_*` as dumped, without table, name, handle and use count.
    pub attributes: Vec<u8>,
}
