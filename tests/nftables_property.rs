//! nf_tables: from any small ruleset to any other and back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;

use std::collections::BTreeMap;

use nftables_support::{in_scratch, listing, nft, tool, union};
use proptest::prelude::*;
use safe_apply::nftables::{Compare, Level, Ruleset, bring_at};

/// Rules over sets, maps, objects and chains that every generated table has.
const RULES: [&str; 22] = [
    "counter",
    "counter packets 5 bytes 700 accept",
    "tcp dport 22 accept",
    "tcp dport { 22, 80, 443 } counter accept",
    "ip saddr 10.0.0.0/8 udp dport 53 drop",
    "ip saddr { 10.0.0.0/8, 192.0.2.1, 198.51.100.0-198.51.100.9 } counter drop",
    "ip saddr @hosts accept",
    "ip saddr @nets counter drop",
    "tcp dport vmap { 22 : accept, 23 : drop, 80 : jump one }",
    "tcp dport vmap @ports",
    "meta mark set tcp dport map { 1 : 0x1, 2 : 0x2 }",
    "jump one",
    "jump two",
    "ct state established,related accept",
    "limit rate 10/second accept",
    "counter name \"hits\"",
    "quota over 25 mbytes drop",
    "add @hosts { ip saddr }",
    "update @seen { ip saddr counter }",
    "jump { tcp dport 1 accept; tcp dport { 2, 3 } drop; }",
    "iifname \"lo\" accept comment \"loopback\"",
    "meter m { ip saddr limit rate 5/second } accept",
];

#[derive(Debug, Clone)]
struct Table {
    name: &'static str,
    policy: &'static str,
    priority: i32,
    extra_chain: Option<&'static str>,
    base_first: bool,
    hosts: Vec<u8>,
    nets: Vec<u8>,
    ports: BTreeMap<u16, &'static str>,
    input: Vec<usize>,
    one: Vec<usize>,
}

fn table(name: &'static str) -> impl Strategy<Value = Table> {
    let verdict = prop::sample::select(vec!["accept", "drop", "jump two"]);
    (
        prop::sample::select(vec!["accept", "drop"]),
        prop::sample::select(vec![0, 0, 0, -5]),
        prop::sample::select(vec![None, Some("early"), Some("late")]),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::btree_map(1_u16..6, verdict, 0..4),
        prop::collection::vec(0..RULES.len(), 0..7),
        prop::collection::vec(0..7_usize, 0..3),
    )
        .prop_map(
            move |(policy, priority, extra_chain, base_first, hosts, nets, ports, input, one)| {
                Table {
                    name,
                    policy,
                    priority,
                    extra_chain,
                    base_first,
                    hosts,
                    nets,
                    ports,
                    input,
                    one,
                }
            },
        )
}

fn elements(list: Vec<String>) -> String {
    if list.is_empty() {
        return String::new();
    }
    format!("elements = {{ {} }}\n", list.join(", "))
}

/// A meter belongs to one rule: the second use of it is left out.
fn lines(rules: &[usize]) -> String {
    let meter = RULES.len() - 1;
    let first = rules.iter().position(|rule| *rule == meter);
    let usable = rules
        .iter()
        .enumerate()
        .filter(|(at, rule)| **rule != meter || Some(*at) == first);
    usable
        .map(|(_, rule)| format!("{}\n", RULES[*rule]))
        .collect()
}

impl Table {
    fn script(&self) -> String {
        let unique = |list: &[u8]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list.dedup();
            list
        };
        let hosts = unique(&self.hosts)
            .iter()
            .map(|one| format!("192.0.2.{one}"))
            .collect();
        let nets = unique(&self.nets)
            .iter()
            .map(|one| format!("10.{one}.0.0/16"))
            .collect();
        let ports = self
            .ports
            .iter()
            .map(|(port, verdict)| format!("{port} : {verdict}"))
            .collect();
        let extra = |place| match self.extra_chain {
            Some(name) if name == place => format!("chain {name} {{\ncounter\n}}\n"),
            _ => String::new(),
        };
        let base = format!(
            "chain input {{\ntype filter hook input priority {}; policy {};\n{}}}\n",
            self.priority,
            self.policy,
            lines(&self.input)
        );
        let regular = format!(
            "chain two {{\ncounter\n}}\nchain one {{\n{}}}\n",
            lines(&self.one)
        );
        let (first, second) = if self.base_first {
            (&base, &regular)
        } else {
            (&regular, &base)
        };
        format!(
            "table {} {{\ncounter hits {{\n}}\n\
             set hosts {{\ntype ipv4_addr\nsize 100\nflags dynamic\n{}}}\n\
             set nets {{\ntype ipv4_addr\nflags interval\n{}}}\n\
             set seen {{\ntype ipv4_addr\nsize 100\nflags dynamic\n}}\n\
             map ports {{\ntype inet_service : verdict\n{}}}\n{}{first}{second}{}}}\n",
            self.name,
            elements(hosts),
            elements(nets),
            elements(ports),
            extra("early"),
            extra("late"),
        )
    }
}

fn ruleset() -> impl Strategy<Value = String> {
    (
        prop::option::weighted(0.8, table("ip filter")),
        prop::option::weighted(0.6, table("inet fw")),
    )
        .prop_map(|(one, two)| {
            let tables = [one, two].into_iter().flatten();
            tables.map(|table| table.script()).collect()
        })
}

/// Each table's listing; the order of tables is not restored.
fn tables() -> Vec<String> {
    let listed = listing();
    let mut tables: Vec<_> = listed
        .split("\ntable ")
        .map(|one| one.trim_start_matches("table ").trim().to_owned())
        .collect();
    tables.sort();
    tables
}

fn check(one: &str, two: &str) {
    let loaded = |script: &str| {
        nft("flush ruleset");
        nft(script);
        (Ruleset::capture().unwrap(), tables())
    };
    let first = loaded(one);
    let second = loaded(two);
    for level in [Level::Fine, Level::InPlace, Level::Recreate] {
        for (target, text) in [&first, &second] {
            let live = Ruleset::capture().unwrap();
            bring_at(&live, target, &union(&live, target), level)
                .unwrap_or_else(|error| panic!("{level:?}: {error}\n{}", text.join("\n")));
            let now = Ruleset::capture().unwrap();
            let differing = now.differing(target, Compare::Exact);
            let lines = differing
                .iter()
                .map(|id| target.describe_difference(&now, id));
            assert!(
                differing.is_empty(),
                "{level:?}: {:?}",
                lines.collect::<Vec<_>>()
            );
            assert_eq!(&tables(), text, "{level:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_ruleset_becomes_any_other(one in ruleset(), two in ruleset()) {
        in_scratch(|| check(&one, &two));
    }
}

#[test]
fn every_rule_loads() {
    in_scratch(|| {
        for (number, rule) in RULES.iter().enumerate() {
            let table = Table {
                name: "ip filter",
                policy: "drop",
                priority: 0,
                extra_chain: None,
                base_first: false,
                hosts: vec![1],
                nets: vec![1],
                ports: BTreeMap::new(),
                input: vec![number],
                one: Vec::new(),
            };
            nft("flush ruleset");
            let loaded = tool(&["nft", "-f", "-"], &table.script());
            assert!(loaded.is_ok(), "{rule}: {}", loaded.unwrap_err());
        }
    });
}
