//! Finding the legacy rule that stopped a packet by what its rules counted.
//!
//! Legacy tables tell nobody about single packets. But in a scratch namespace nothing passes
//! but the probe: the rules whose counters moved are those that its packets met.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::Flow;
use super::super::probe::Side;
use super::Spot;
use super::counted::Table;
use super::moves::{Effect, Move, moves};
use crate::checkpoint::Part;
use crate::legacy::{Error, Family, Tables};

/// Built-in chains in the order in which packets meet them on the way in, with the tables
/// that have them (`NF_IP_PRI_*`, `linux/netfilter_ipv4.h`).
const IN: [(&str, &[&str]); 3] = [
    ("PREROUTING", &["raw", "mangle", "nat"]),
    ("INPUT", &["mangle", "filter", "security", "nat"]),
    ("FORWARD", &["mangle", "filter", "security"]),
];
/// On the way out.
const OUT: [(&str, &[&str]); 2] = [
    ("OUTPUT", &["raw", "mangle", "nat", "filter", "security"]),
    ("POSTROUTING", &["mangle", "nat"]),
];
/// What the rules of legacy tables have counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    v4: BTreeMap<String, Table>,
    v6: BTreeMap<String, Table>,
}

impl Counters {
    /// Reads the tables of `families` in the calling thread's network namespace.
    ///
    /// # Errors
    /// Those of [`Tables::capture`].
    pub fn read(families: &[Family]) -> Result<Self, Error> {
        Ok(Self::of(&Tables::capture_of(families)?))
    }

    /// What captured tables have counted.
    #[must_use]
    pub fn of(tables: &Tables) -> Self {
        let read = |texts: &BTreeMap<String, String>| {
            let texts = texts.iter();
            texts
                .map(|(name, text)| (name.clone(), Table::read(text)))
                .collect()
        };
        Self {
            v4: read(&tables.v4),
            v6: read(&tables.v6),
        }
    }

    /// The rule that stopped a packet of `flow`, begun on `side`, when between `before` and
    /// `after` nothing else was sent; `None` when none did, or the rules are not the same.
    ///
    /// Of several, the first that the flow would meet: a target that rejects sends an answer
    /// of its own, which may be stopped too.
    #[must_use]
    pub fn spot(before: &Self, after: &Self, flow: &Flow, side: Side) -> Option<Spot> {
        let to = flow.destination.ip().to_canonical();
        let family = match to {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        };
        // Over `lo`, questions come in by the same chains as answers.
        let is_loopback = to.is_loopback() || flow.source.ip().to_canonical() == to;
        let ways = match side {
            Side::World => [IN.as_slice(), &OUT],
            Side::Host => [OUT.as_slice(), &IN],
        };
        let mut last = None;
        for (way, hooks) in ways.into_iter().enumerate() {
            for (chain, table) in in_order(hooks) {
                let moves = moves(
                    before.table(family, table),
                    after.table(family, table),
                    chain,
                )?;
                let spot = |one: &Move<'_>| Spot {
                    part: Part::Legacy(family, table.to_owned()),
                    chain: one.chain.to_owned(),
                    rule: one.rule,
                    reply: way == 1 && !is_loopback,
                };
                if let Some(stop) = moves.iter().find(|one| one.effect == Effect::Stops) {
                    return Some(spot(stop));
                }
                // What is not known stops packets if nothing behind it counted any.
                if let Some(one) = moves.last() {
                    last = (one.effect == Effect::Unknown).then(|| spot(one));
                }
            }
        }
        last
    }

    fn table(&self, family: Family, name: &str) -> Option<&Table> {
        match family {
            Family::V4 => self.v4.get(name),
            Family::V6 => self.v6.get(name),
        }
    }
}

fn in_order<'a>(hooks: &'a [(&'a str, &'a [&'a str])]) -> impl Iterator<Item = (&'a str, &'a str)> {
    hooks
        .iter()
        .flat_map(|(chain, tables)| tables.iter().map(move |table| (*chain, *table)))
}

#[cfg(test)]
mod tests {
    use super::super::super::Protocol;
    use super::*;

    const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:MINE - [0:0]\n\
        [0:0] -A INPUT -j MINE\n[0:0] -A INPUT -j NEW\n[0:0] -A INPUT -j ACCEPT\n\
        [0:0] -A OUTPUT -j REJECT\n[0:0] -A MINE -j LOG\n[0:0] -A MINE -j DROP\nCOMMIT\n";

    fn counters(text: &str) -> Counters {
        Counters::of(&Tables {
            v4: BTreeMap::from([("filter".to_owned(), text.to_owned())]),
            v6: BTreeMap::new(),
        })
    }

    /// The spot after those lines counted that begin so.
    fn spot(moved: &[&str], side: Side) -> Option<(String, Option<usize>, bool)> {
        let mut text = RULES.to_owned();
        for line in moved {
            let now = line.replace("[0:0]", "[1:60]");
            assert!(text.contains(line), "{line}");
            text = text.replace(line, &now);
        }
        let flow = Flow {
            protocol: Protocol::Tcp,
            source: "192.0.2.1:5".parse().unwrap(),
            destination: "192.0.2.2:22".parse().unwrap(),
        };
        let spot = Counters::spot(&counters(RULES), &counters(&text), &flow, side)?;
        Some((spot.chain, spot.rule, spot.reply))
    }

    #[test]
    fn the_first_rule_that_stops_is_named() {
        let (jump, drop) = ("[0:0] -A INPUT -j MINE", "[0:0] -A MINE -j DROP");
        let log = "[0:0] -A MINE -j LOG";
        let reject = "[0:0] -A OUTPUT -j REJECT";
        let named = |chain: &str, rule, reply| Some((chain.to_owned(), rule, reply));
        assert_eq!(spot(&[], Side::World), None);
        assert_eq!(
            spot(&[jump, log, drop, reject], Side::World),
            named("MINE", Some(2), false)
        );
        assert_eq!(
            spot(&[jump, log, drop, reject], Side::Host),
            named("OUTPUT", Some(1), false)
        );
        assert_eq!(
            spot(&[jump, log, ":INPUT DROP [0:0]"], Side::World),
            named("INPUT", None, false)
        );
        let accept = "[0:0] -A INPUT -j ACCEPT";
        assert_eq!(
            spot(&[jump, accept, reject], Side::World),
            named("OUTPUT", Some(1), true)
        );
        assert_eq!(
            spot(&[jump, accept, ":OUTPUT ACCEPT [0:0]"], Side::World),
            None
        );
    }

    #[test]
    fn an_unknown_target_stops_what_nothing_behind_it_counted() {
        let (unknown, accept) = ("[0:0] -A INPUT -j NEW", "[0:0] -A INPUT -j ACCEPT");
        let named = Some(("INPUT".to_owned(), Some(2), false));
        assert_eq!(spot(&[unknown], Side::World), named);
        assert_eq!(spot(&[unknown, accept], Side::World), None);
        assert_eq!(spot(&[unknown, ":OUTPUT ACCEPT [0:0]"], Side::World), None);
    }

    #[test]
    fn other_rules_tell_nothing() {
        let text = RULES.replace("[0:0] -A MINE -j LOG\n", "");
        let now = counters(&text.replace("[0:0] -A INPUT", "[1:60] -A INPUT"));
        let flow = Flow {
            protocol: Protocol::Tcp,
            source: "192.0.2.1:5".parse().unwrap(),
            destination: "192.0.2.2:22".parse().unwrap(),
        };
        assert_eq!(
            Counters::spot(&counters(RULES), &now, &flow, Side::World),
            None
        );
        assert_eq!(
            Counters::spot(&Counters::default(), &now, &flow, Side::World),
            None
        );
    }
}
