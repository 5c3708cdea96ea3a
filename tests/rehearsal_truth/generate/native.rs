//! Rules in the language of nft.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::parts::{SETS, below, devices};
use super::{Family, one_of};

/// How the table's own family is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inet,
    Ip,
    Ip6,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        }
    }
}

fn addresses(kind: Kind, family: Family) -> BoxedStrategy<String> {
    match (kind, family) {
        (Kind::Ip, _) | (Kind::Inet, Family::V4) => one_of(&[
            "ip saddr 198.51.100.0/24",
            "ip saddr 198.51.100.1",
            "ip saddr != 198.51.100.1",
            "ip saddr { 198.51.100.1, 203.0.113.0/24 }",
            "ip saddr @hosts4 ",
            "ip saddr @nets4 ",
            "ip saddr != @hosts4 ",
            "ip daddr 198.51.100.2",
            "ip saddr . tcp dport @pairs4 ",
            "ip saddr . tcp dport { 198.51.100.1 . 22, 203.0.113.9 . 443 }",
            "ip ttl > 3",
            "ip protocol tcp",
            "fib daddr type local",
            "fib saddr . iif oif != 0",
        ]),
        (Kind::Ip6, _) | (Kind::Inet, Family::V6) => one_of(&[
            "ip6 saddr 2001:db8::/64",
            "ip6 saddr 2001:db8::1",
            "ip6 saddr != 2001:db8::1",
            "ip6 saddr { 2001:db8::1, 2001:db8:fa::/48 }",
            "ip6 saddr @hosts6 ",
            "ip6 saddr @nets6 ",
            "ip6 daddr 2001:db8::2",
            "ip6 saddr . tcp dport { 2001:db8::1 . 22, 2001:db8:fa::9 . 443 }",
            "ip6 nexthdr tcp",
            "fib daddr type local",
        ]),
    }
}

fn ports() -> BoxedStrategy<String> {
    one_of(&[
        "tcp dport 22",
        "tcp dport 22",
        "tcp dport != 22",
        "tcp dport 2222",
        "tcp dport { 22, 80 }",
        "tcp dport { 80, 443, 8000-9000 }",
        "tcp dport @logins ",
        "tcp dport 20-80",
        "tcp sport 1024-65535",
        "tcp sport 22",
        "tcp flags & (fin|syn|rst|ack) == syn",
        "tcp flags syn / fin,syn,rst,ack",
        "meta l4proto tcp",
        "meta l4proto { icmp, ipv6-icmp }",
        "udp dport 53",
        "udp dport { 53, 1194 }",
        "udp sport 53",
        "th dport 22",
    ])
}

fn matches(kind: Kind, family: Family) -> BoxedStrategy<String> {
    let states = one_of(&[
        "ct state established,related",
        "ct state established,related",
        "ct state new",
        "ct state != new",
        "ct state invalid",
        "ct state untracked",
        "ct direction reply",
        "ct status dnat",
    ]);
    let odd = one_of(&[
        "meta mark 0x1",
        "meta mark != 0x1",
        "ct mark 0x2",
        "meta length < 100",
        "limit rate 5/minute burst 3 packets",
        "limit rate over 4/minute burst 2 packets",
        "ct count over 1",
        "meta pkttype host",
        "counter",
        "meta skuid 0",
        "numgen inc mod 2 0",
        "meta nfproto ipv4",
        "quota over 400 bytes",
        "meta day { \"Monday\", \"Sunday\" }",
        "iifgroup default",
        "@th,16,16 22",
    ]);
    prop_oneof![4 => states, 2 => addresses(kind, family), 2 => odd].boxed()
}

fn verdicts(kind: Kind, family: Family, inner: bool) -> BoxedStrategy<String> {
    let ends = one_of(&[
        "accept",
        "accept",
        "accept",
        "drop",
        "counter drop",
        "log accept",
    ]);
    let refusals = match kind {
        Kind::Inet => one_of(&[
            "reject",
            "reject with icmpx type host-unreachable",
            "reject with icmpx type admin-prohibited",
            "meta l4proto tcp reject with tcp reset",
        ]),
        Kind::Ip => one_of(&[
            "reject",
            "reject with icmp type net-unreachable",
            "reject with icmp type host-prohibited",
        ]),
        Kind::Ip6 => one_of(&["reject", "reject with icmpv6 type no-route"]),
    };
    let goes_on = match family {
        Family::V4 => one_of(&[
            "meta mark set 0x1",
            "ct mark set 0x2",
            "log",
            "add @seen4 { ip saddr }",
            "update @seen4 { ip saddr limit rate over 4/minute burst 2 packets } drop",
        ]),
        Family::V6 => one_of(&[
            "meta mark set 0x1",
            "ct mark set 0x2",
            "log",
            "add @seen6 { ip6 saddr }",
            "meta mark set ct mark",
        ]),
    };
    let moves = if inner {
        one_of(&["return", "jump two", "goto two"])
    } else {
        one_of(&[
            "jump one",
            "goto one",
            "jump two",
            "tcp dport vmap @ports ",
            "ct state vmap { established : accept, related : accept, invalid : drop }",
            "tcp dport vmap { 22 : accept, 23 : drop, 80 : jump one }",
            "return",
        ])
    };
    prop_oneof![6 => ends, 2 => refusals, 2 => goes_on, 2 => moves].boxed()
}

fn rule(kind: Kind, family: Family, inner: bool) -> BoxedStrategy<String> {
    let words = (
        weighted(0.25, devices()),
        weighted(0.55, ports()),
        vec(matches(kind, family), 0..3),
        verdicts(kind, family, inner),
    );
    words
        .prop_map(move |(device, mut ports, mut matches, verdict)| {
            if verdict.contains("tcp") || matches.iter().any(|one| one.contains("tcp")) {
                ports = ports.filter(|ports| !ports.contains("udp"));
            }
            if kind != Kind::Inet {
                matches.retain(|one| !one.contains("nfproto"));
            }
            let words = device.into_iter().chain(ports).chain(matches);
            let words: Vec<_> = words.chain([verdict]).collect();
            words.join(" ") + "\n"
        })
        .boxed()
}

fn beginning(live: bool) -> BoxedStrategy<String> {
    let often = if live { 0.95 } else { 0.75 };
    let lines = [
        ("iif lo accept\n", often),
        ("ct state established,related accept\n", often),
        ("meta l4proto { icmp, ipv6-icmp } accept\n", 0.9),
        ("tcp dport 22 accept\n", if live { 0.8 } else { 0.4 }),
    ];
    let lines: Vec<_> = lines
        .map(|(line, weight)| weighted(weight, Just(line)))
        .into();
    lines
        .prop_map(|lines| lines.into_iter().flatten().collect())
        .boxed()
}

/// A chain with a hook besides the main one.
fn more_chains(kind: Kind, family: Family) -> BoxedStrategy<String> {
    let heads = one_of(&[
        "chain early {\ntype filter hook input priority -10; policy accept;\n",
        "chain late {\ntype filter hook input priority 10; policy drop;\nct state established,related accept\nmeta l4proto { icmp, ipv6-icmp } accept\n",
        "chain pre {\ntype filter hook prerouting priority -150; policy accept;\n",
        "chain raw {\ntype filter hook prerouting priority -300; policy accept;\n",
        "chain out {\ntype filter hook output priority 0; policy accept;\n",
        "chain out {\ntype filter hook output priority 0; policy drop;\nct state established,related accept\nmeta l4proto ipv6-icmp accept\nudp dport 53 accept\n",
        "chain raw {\ntype filter hook prerouting priority -300; policy accept;\ntcp dport 22 notrack\n",
        "chain nat {\ntype nat hook prerouting priority -100;\ntcp dport 2222 redirect to :22\n}\nchain post {\ntype filter hook postrouting priority 0;\n",
        "chain nat {\ntype nat hook prerouting priority -100;\ntcp dport 22 redirect to :80\n}\nchain post {\ntype filter hook postrouting priority 0;\n",
        "chain source {\ntype nat hook postrouting priority 100;\nmasquerade\n}\nchain post {\ntype filter hook postrouting priority 0;\n",
        "chain mangle {\ntype route hook output priority -150;\n",
    ]);
    (heads, vec(rule(kind, family, true), 0..3))
        .prop_map(|(head, rules)| {
            // Chains without jumps, and without matches of other hooks.
            let fits = |rule: &&String| {
                let input = head.contains("hook input");
                input
                    || !["two", "fib", "iif", "reject", "skuid"]
                        .iter()
                        .any(|word| rule.contains(word))
            };
            let rules: String = rules.iter().filter(fits).map(String::as_str).collect();
            format!("{head}{rules}}}\n")
        })
        .boxed()
}

fn table(family: Family, live: bool) -> BoxedStrategy<String> {
    let kinds = match family {
        Family::V4 => vec![Kind::Inet, Kind::Inet, Kind::Ip],
        Family::V6 => vec![Kind::Inet, Kind::Inet, Kind::Ip6],
    };
    select(kinds)
        .prop_flat_map(move |kind| {
            let most = if live { 3 } else { 7 };
            (
                Just(kind),
                select(vec!["accept", "drop"]),
                select(vec!["filter", "-5", "20"]),
                beginning(live),
                vec(rule(kind, family, false), 0..most),
                vec(rule(kind, family, true), 0..3),
                weighted(0.4, more_chains(kind, family)),
            )
        })
        .prop_map(|(kind, policy, priority, beginning, input, one, more)| {
            let more = more.unwrap_or_default();
            let rules = format!(
                "chain two {{\ncounter\n}}\nchain one {{\n{}}}\n{more}chain input {{\n\
                 type filter hook input priority {priority}; policy {policy};\n{beginning}{}}}\n}}\n",
                one.concat(),
                input.concat()
            );
            let sets = SETS.iter().filter(|(name, _)| rules.contains(name));
            let sets: String = sets.map(|(_, set)| *set).collect();
            format!("table {} fw {{\n{sets}{rules}", kind.word())
        })
        .boxed()
}

/// A script: one table, perhaps another one below IP; mostly it begins by flushing.
pub fn script(family: Family, live: bool) -> BoxedStrategy<String> {
    let flushes = if live { 0.0 } else { 0.85 };
    (
        proptest::bool::weighted(flushes),
        table(family, live),
        weighted(if live { 0.02 } else { 0.08 }, below()),
    )
        .prop_map(|(flush, table, below)| {
            let flush = if flush { "flush ruleset\n" } else { "" };
            format!("{flush}{table}{}", below.unwrap_or_default())
        })
        .boxed()
}
