//! Interfaces that this host does not have.

use std::collections::BTreeMap;

use super::study::{Piece, Study, Weight};
use crate::rehearsal::anatomy::{Anatomy, Body, Chain, Clause, Compare, Op, Origin, Rule, meta};

/// `IFNAMSIZ`, in bytes.
const NAME_BYTES: usize = 16;
/// How the names of interfaces begin that programs make when they need them.
const MADE_LATER: [&str; 27] = [
    "docker",
    "br-",
    "veth",
    "tun",
    "tap",
    "wg",
    "ppp",
    "virbr",
    "vnet",
    "lxdbr",
    "lxcbr",
    "incusbr",
    "cali",
    "cni",
    "flannel",
    "tailscale",
    "nebula",
    "zt",
    "podman",
    "kube",
    "cilium",
    "lxc",
    "usb",
    "ipsec",
    "vti",
    "gre",
    "tinc",
];

/// A name in a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    /// Without the `*` or `+` at the end.
    name: String,
    /// Whether any ending will do.
    open: bool,
}

/// Where a name stands: the chain, the rule (from 1), whether it must not be that one.
type Place<'a> = (&'a Chain, usize, bool);

/// Says which, once for each name.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let host = study.input.host;
    if host.links.is_empty() {
        return Vec::new();
    }
    let mut found: BTreeMap<Named, Vec<Place<'_>>> = BTreeMap::new();
    for chain in study
        .after
        .chains
        .iter()
        .filter(|chain| study.is_own(chain))
    {
        for (at, rule) in chain.rules.iter().enumerate() {
            for (named, negated) in names(rule, &study.after) {
                if !is_known(study, &named) {
                    found
                        .entry(named)
                        .or_default()
                        .push((chain, at + 1, negated));
                }
            }
        }
    }
    let suggestion = study.outside(false).or_else(|| study.outside(true));
    let told = found.into_iter().filter_map(|(named, places)| {
        let (chain, rule, _) = *places.first()?;
        let shown = if named.open { format!("{}*", named.name) } else { named.name.clone() };
        let some = |negated| places.iter().any(|(_, _, is)| *is == negated);
        let effect = match (some(false), some(true)) {
            (true, true) => "nothing, and with `!` everything",
            (false, true) => "everything",
            (_, false) => "nothing",
        };
        let likely = match &suggestion {
            Some(device) => format!("; the one with the default route is `{}`", device.name),
            None => {
                let names: Vec<&str> = host.links.values().map(|one| one.name.as_str()).collect();
                format!("; it has {}", names.join(", "))
            }
        };
        let more = match places.len() {
            1 => String::new(),
            2 => " (and 1 more rule)".to_owned(),
            count => format!(" (and {} more rules)", count - 1),
        };
        let message = format!(
            "there is no interface `{shown}` on this host, so that this matches {effect}{more}{likely}"
        );
        Some(study.about(Weight::Idle, chain, Some(rule), message))
    });
    told.collect()
}

fn is_known(study: &Study<'_>, named: &Named) -> bool {
    let Named { name, open } = named;
    let begins = |start: &str| name.starts_with(start) || *open && start.starts_with(name);
    name.is_empty()
        || MADE_LATER.iter().any(|start| begins(start))
        || (study.input.host.links.values()).any(|link| {
            if *open {
                link.name.starts_with(name)
            } else {
                link.name == *name
            }
        })
}

fn names(rule: &Rule, all: &Anatomy) -> Vec<(Named, bool)> {
    match &rule.body {
        Body::Words(clauses) => clauses.iter().filter_map(of_words).collect(),
        Body::Code(ops) => of_code(ops, all),
    }
}

fn of_words(clause: &Clause) -> Option<(Named, bool)> {
    let is_name = matches!(clause.option.as_str(), "-i" | "-o") && !clause.target;
    let value = clause.value();
    let (name, open) = match value.strip_suffix('+') {
        Some(start) => (start, true),
        None => (value, false),
    };
    let named = Named {
        name: name.to_owned(),
        open,
    };
    is_name.then_some((named, clause.negated))
}

fn of_code(ops: &[Op], all: &Anatomy) -> Vec<(Named, bool)> {
    let mut found = Vec::new();
    let mut register = None;
    for op in ops {
        match op {
            Op::Load { to, origin, .. } => {
                let is_name = matches!(origin, Origin::Meta(meta::IIFNAME | meta::OIFNAME));
                if is_name {
                    register = Some(*to);
                } else if register == Some(*to) {
                    register = None;
                }
            }
            Op::Compare { from, how, data } if register == Some(*from) => {
                found.extend(name(data, *how == Compare::Unequal));
            }
            Op::Lookup {
                from, set, negated, ..
            } if register == Some(*from) => {
                let set = set.and_then(|set| all.sets.get(set));
                // Ranges are names with `*`; their bounds are not names.
                let plain =
                    set.filter(|set| set.fields.first() == Some(&NAME_BYTES) && !set.is_ranges());
                for element in plain.map_or(&[][..], |set| &set.elements) {
                    found.extend(name(element.key.get(..NAME_BYTES).unwrap_or(&[]), *negated));
                }
            }
            _ => {}
        }
    }
    found
}

fn name(bytes: &[u8], negated: bool) -> Option<(Named, bool)> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]).ok()?;
    let named = Named {
        name: text.to_owned(),
        open: end.is_none() && bytes.len() < NAME_BYTES,
    };
    Some((named, negated))
}
