//! Finding such things in rules.

use super::feature::Feature;
use super::names::{of_match, of_object, of_other, of_target};
use super::senders;
use crate::rehearsal::anatomy::{
    Anatomy, Body, Clause, Compare, Op, Origin, Rule, Verdict, ct, meta, payload_base,
};

/// `ARPHRD_ETHER` (`linux/if_arp.h`).
pub const ETHERNET: u16 = 1;

/// What in `rule` a rehearsal does not show.
#[must_use]
pub fn features(rule: &Rule, all: &Anatomy) -> Vec<Feature> {
    let mut found = Vec::new();
    match &rule.body {
        Body::Code(ops) => {
            for (at, op) in ops.iter().enumerate() {
                of_op(op, all, &mut found);
                found.extend(senders::of_op(op, ops.get(at + 1..).unwrap_or(&[])));
                if is_link_type(op) {
                    found.push(of_link_type(ops.get(at + 1)));
                }
            }
        }
        Body::Words(clauses) => of_words(clauses, &mut found),
    }
    if rule.verdict == Verdict::Queue {
        found.push(Feature::Program);
    }
    found.sort();
    found.dedup();
    found
}

const fn is_link_type(op: &Op) -> bool {
    let Op::Load { origin, .. } = op else {
        return false;
    };
    matches!(origin, Origin::Meta(meta::IIFTYPE | meta::OIFTYPE))
}

/// `ether saddr` asks first whether it is Ethernet.
fn of_link_type(next: Option<&Op>) -> Feature {
    match next {
        Some(Op::Compare { how, data, .. })
            if *how == Compare::Equal && data.as_slice() == ETHERNET.to_ne_bytes() =>
        {
            Feature::Ethernet
        }
        _ => Feature::LinkKind,
    }
}

/// Whether what the rule finds makes a difference to any packet.
#[must_use]
pub fn matters(rule: &Rule, marks: bool) -> bool {
    let decides = |op: &Op| match op {
        Op::Lookup { verdict, .. } => *verdict,
        Op::Other { name, .. } => name == "tproxy",
        _ => false,
    };
    let writes = |op: &Op| match op {
        Op::Target { name, .. } => is_writing(name),
        // Without a register to fill, they write.
        Op::Other { name, to: None, .. } => {
            matches!(name.as_str(), "meta" | "ct" | "dynset" | "notrack")
        }
        _ => false,
    };
    rule.verdict != Verdict::None
        || match &rule.body {
            Body::Code(ops) => ops.iter().any(|op| decides(op) || marks && writes(op)),
            Body::Words(clauses) => clauses
                .iter()
                .any(|one| one.option == "-j" && marks && is_writing(one.value())),
        }
}

/// Whether rules look at what other rules wrote.
#[must_use]
pub fn reads_marks(all: &Anatomy) -> bool {
    let reads = |op: &Op| match op {
        Op::Load { origin, .. } => matches!(
            origin,
            Origin::Meta(meta::MARK) | Origin::Ct(ct::MARK | ct::LABELS)
        ),
        Op::Lookup { set, .. } => set
            .and_then(|set| all.sets.get(set))
            .is_some_and(super::super::anatomy::Set::changes),
        Op::Match { name, .. } => {
            matches!(name.as_str(), "mark" | "connmark" | "set" | "connlabel")
        }
        _ => false,
    };
    let rules = all.chains.iter().flat_map(|chain| &chain.rules);
    rules.into_iter().any(|rule| match &rule.body {
        Body::Code(ops) => ops.iter().any(reads),
        Body::Words(clauses) => clauses.iter().any(|one| {
            one.option == "-m" && matches!(one.value(), "mark" | "connmark" | "set" | "connlabel")
        }),
    })
}

fn is_writing(target: &str) -> bool {
    matches!(
        target,
        "MARK" | "CONNMARK" | "SET" | "CT" | "NOTRACK" | "HMARK"
    )
}

fn of_op(op: &Op, all: &Anatomy, found: &mut Vec<Feature>) {
    match op {
        Op::Load { origin, length, .. } => found.extend(of_origin(origin, *length)),
        Op::Match { name, info, .. } => {
            // The list's name: `struct xt_recent_mtinfo`, `struct xt_hashlimit_mtinfo*`.
            let named = match name.as_str() {
                "recent" => info.get(10..210),
                _ => info.get(..),
            };
            found.extend(of_match(name, &text(named.unwrap_or_default())));
        }
        Op::Target { name, .. } => found.extend(of_target(name)),
        Op::Other {
            name, data, inner, ..
        } => {
            found.extend(of_other(name, data));
            for op in inner {
                of_op(op, all, found);
            }
        }
        Op::Lookup { set, .. } => {
            let named = set.and_then(|set| all.sets.get(set));
            let expiring = named.filter(|set| set.expires());
            found.extend(expiring.map(|set| Feature::Expiring(set.name.clone())));
            let object = set.and_then(|set| all.sets.get(set)?.objects);
            found.extend(object.and_then(of_object));
            for op in set
                .and_then(|set| all.sets.get(set))
                .map_or(&[][..], |set| &set.inner)
            {
                of_op(op, all, found);
            }
        }
        Op::Bitwise { .. } | Op::Compare { .. } | Op::Range { .. } => {}
    }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

fn of_origin(origin: &Origin, length: usize) -> Option<Feature> {
    Some(match origin {
        Origin::Constant(_) => return None,
        Origin::Meta(key) => match *key {
            meta::LEN => Feature::Length,
            meta::SKUID | meta::SKGID => Feature::Owner,
            meta::CGROUP => Feature::Cgroup,
            meta::PRANDOM => Feature::Chance,
            meta::CPU => Feature::Cpu,
            meta::SECPATH => Feature::Ipsec,
            meta::SECMARK => Feature::Label,
            meta::IIFKIND | meta::OIFKIND => Feature::LinkKind,
            meta::BRI_IIFNAME | meta::BRI_OIFNAME | meta::BRI_IIFPVID | meta::BRI_IIFVPROTO => {
                Feature::BridgePort
            }
            meta::TIME_NS | meta::TIME_DAY | meta::TIME_HOUR => Feature::Clock,
            meta::SDIF | meta::SDIFNAME => Feature::LinkKind,
            _ => return None,
        },
        Origin::Ct(key) => match *key {
            ct::PKTS | ct::BYTES | ct::AVGPKT | ct::EXPIRATION => Feature::Volume,
            ct::SECMARK => Feature::Label,
            ct::HELPER => Feature::Helper,
            _ => return None,
        },
        Origin::Payload(base, offset) => return of_payload(*base, *offset, length),
    })
}

/// A place in a packet; offset and length in bytes.
fn of_payload(base: u32, offset: usize, length: usize) -> Option<Feature> {
    Some(match (base, offset, length) {
        // Behind the Ethernet header: VLAN tags.
        (payload_base::LINK, 14.., _) => Feature::LinkKind,
        // The EtherType.
        (payload_base::LINK, 12, 2) => return None,
        (payload_base::LINK, _, _) => Feature::Hardware,
        // Traffic class, type of service; total and payload length; hop limit, time to live.
        (payload_base::NETWORK, 0, 2) | (payload_base::NETWORK, 1, 1) => Feature::Service,
        (payload_base::NETWORK, 2 | 4, 2) => Feature::Length,
        (payload_base::NETWORK, 7 | 8, 1) => Feature::Hops,
        (payload_base::NETWORK, _, _) => return None,
        // Ports, ICMP type and code; TCP's header length and flags.
        (payload_base::TRANSPORT, 0..4 | 12 | 13, _) => return None,
        (_, _, _) => Feature::Content,
    })
}

fn of_words(clauses: &[Clause], found: &mut Vec<Feature>) {
    let list = |option: &str, default: &str| {
        let named = clauses.iter().find(|one| one.option == option);
        named.map_or_else(|| default.to_owned(), |one| one.value().to_owned())
    };
    for clause in clauses {
        found.extend(senders::of_clause(clause).filter(|_| !clause.target));
        match clause.option.as_str() {
            "-m" | "--match" if !clause.target => {
                let list = match clause.value() {
                    "recent" => list("--name", "DEFAULT"),
                    "hashlimit" => list("--hashlimit-name", ""),
                    _ => String::new(),
                };
                found.extend(of_match(clause.value(), &list));
            }
            "-j" => {
                let known = of_target(clause.value());
                // A name that is none of a target's is a chain's.
                found.extend(known.filter(|one| !matches!(one, Feature::Unknown(_))));
            }
            _ => {}
        }
    }
}
