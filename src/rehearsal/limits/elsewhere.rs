//! What does not pass this host's own sockets, or not as packets between hosts.

use super::{Limit, Live};
use crate::checkpoint::Part;
use crate::checkpoint::Snapshot;
use crate::rehearsal::anatomy::{Anatomy, Body, Chain, Hook, Kind, Op, Verdict};
use crate::rehearsal::decide::Spot;
use crate::rehearsal::host::Host;
use crate::rehearsal::locate::Locator;

/// `NFPROTO_BRIDGE`.
const BRIDGE: u8 = 7;
/// `NFTA_NAT_TYPE` and `NFT_NAT_DNAT`.
const NAT_TYPE: u16 = 1;
const DNAT: u32 = 1;

/// Rules for frames between the ports of bridges, where the host has a bridge.
pub fn bridge(all: &Anatomy, host: &Host) -> Option<Limit> {
    let is_bridge = |kind: &Option<String>| kind.as_deref() == Some("bridge");
    if !host.links.values().any(|link| is_bridge(&link.kind)) {
        return None;
    }
    let chain = all.chains.iter().find(|chain| {
        let of_bridges = matches!(&chain.part, Part::Nft(id) if id.family == BRIDGE);
        let drops = chain.base.is_some_and(|base| base.drops);
        let decides = chain.rules.iter().any(|rule| {
            all.verdicts(rule)
                .iter()
                .any(|verdict| matches!(verdict, Verdict::Drop | Verdict::Queue))
        });
        of_bridges && (drops || decides)
    })?;
    Some(Limit {
        message: format!(
            "chain {} in {}: it drops frames between ports of bridges, and the rehearsal has no such ports",
            chain.name, chain.part
        ),
        file: None,
        line: None,
        is_decisive: true,
    })
}

/// Forwarded traffic, and services on other hosts.
pub fn forwarded(all: &Anatomy, locator: &Locator<'_>) -> Vec<Limit> {
    let mut found = Vec::new();
    let bases = || {
        let filters = |chain: &&Chain| {
            let at = chain.base.filter(|base| base.hook == Hook::Forward);
            at.is_some_and(|base| base.kind != Kind::Nat)
        };
        all.chains.iter().filter(filters)
    };
    let rules: usize = bases().map(|chain| chain.rules.len()).sum();
    let drops = bases().any(|chain| chain.base.is_some_and(|base| base.drops));
    if rules > 0 {
        let what = if rules == 1 { "rule" } else { "rules" };
        found.push(plain(format!(
            "traffic that this host forwards is not rehearsed ({rules} {what} at the forward hook)"
        )));
    } else if drops {
        found.push(plain(
            "traffic that this host forwards is not rehearsed (the policy drops it)".to_owned(),
        ));
    }
    let mut targets = Vec::new();
    for chain in &all.chains {
        for (number, rule) in chain.rules.iter().enumerate() {
            if is_dnat(&rule.body) {
                targets.push(Spot {
                    part: chain.part.clone(),
                    chain: chain.name.clone(),
                    rule: Some(number + 1),
                    reply: false,
                });
            }
        }
    }
    if let Some(first) = targets.first() {
        let more = match targets.len() {
            1 => String::new(),
            count => format!(" (and {} more like it)", count - 1),
        };
        let place = locator.locate(first);
        found.push(Limit {
            message: format!(
                "{}{more}: services that packets are sent on to (DNAT) are not rehearsed",
                locator.quote(first)
            ),
            file: place.as_ref().map(|place| place.file.clone()),
            line: place.map(|place| place.line),
            is_decisive: false,
        });
    }
    found
}

/// Whether rules rewrite destinations, so that packets may be sent on to other hosts.
#[must_use]
pub fn sends_on(rules: &Snapshot) -> bool {
    let all = Anatomy::of(rules);
    let mut rules = all.chains.iter().flat_map(|chain| &chain.rules);
    rules.any(|rule| is_dnat(&rule.body))
}

fn is_dnat(body: &Body) -> bool {
    match body {
        Body::Code(ops) => ops.iter().any(|op| match op {
            Op::Target { name, .. } => name == "DNAT",
            Op::Other { name, data, .. } => {
                let kind = crate::netlink::find(data, NAT_TYPE).and_then(|kind| kind.be32());
                name == "nat" && kind == Some(DNAT)
            }
            _ => false,
        }),
        Body::Words(clauses) => {
            let dnat = clauses.iter().filter(|one| one.option == "-j");
            dnat.into_iter().any(|one| one.value() == "DNAT")
        }
    }
}

/// Sets of ipset with members that expire.
pub fn expiring(rules: &Snapshot) -> Vec<Limit> {
    let expires = |member: &String| {
        let mut words = member.split(' ').skip_while(|word| *word != "timeout");
        words.nth(1).is_some_and(|left| left != "0")
    };
    let sets = rules.sets.sets.iter();
    sets.filter(|set| set.members.iter().any(expires))
        .map(|set| {
            plain(format!(
                "members of ipset {} expire: what is true now may not be later",
                set.name
            ))
        })
        .collect()
}

/// Tables that this program does not read, and what decides about packets outside the rules.
pub fn unread(live: &Live) -> Vec<Limit> {
    let tables = live.unread.iter().map(|tool| {
        plain(format!(
            "rules made with {tool}, if there are any, are not looked at"
        ))
    });
    let attached = live.attached.iter().map(|what| {
        plain(format!(
            "{what}: it decides about packets too, and it is not part of the rehearsal"
        ))
    });
    tables.chain(attached).collect()
}

fn plain(message: String) -> Limit {
    Limit {
        message,
        file: None,
        line: None,
        is_decisive: false,
    }
}
