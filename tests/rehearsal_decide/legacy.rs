//! Legacy rules, as the kernel logs them.

use super::lab::{HOST, HOST6, Lab, WORLD, WORLD6, at, datagram, dial, echo, made, spot};
use safe_apply::checkpoint::Part;
use safe_apply::legacy::Family;
use safe_apply::legacy::Tables;
use safe_apply::rehearsal::decide::Spot;
use safe_apply::rehearsal::decide::Stopped;
use std::collections::BTreeSet;

/// Rules, and where they stop a connection to port 22: table, chain, rule, whether an answer.
#[rustfmt::skip]
pub const CASES: [(&str, &str, &str, Option<usize>, bool); 8] = [
        (
            "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j LOG\nCOMMIT\n",
            "filter",
            "INPUT",
            None,
            false,
        ),
        (
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j LOG\n-A INPUT -p tcp --dport 22 -j REJECT\nCOMMIT\n",
            "filter",
            "INPUT",
            Some(2),
            false,
        ),
        (
            "*filter\n:INPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A INPUT -g B\n-A INPUT -j DROP\n\
          -A A -p tcp -j RETURN\n-A A -j DROP\n-A B -m comment --comment \"x -j ACCEPT\" -j MARK --set-mark 1\n\
          -A B -p tcp -j DROP\nCOMMIT\n",
            "filter",
            "B",
            Some(2),
            false,
        ),
        (
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j DROP\nCOMMIT\n",
            "raw",
            "PREROUTING",
            Some(1),
            false,
        ),
        (
            "*mangle\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n",
            "mangle",
            "INPUT",
            None,
            false,
        ),
        (
            "*filter\n:OUTPUT DROP [0:0]\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n",
            "filter",
            "OUTPUT",
            None,
            true,
        ),
        (
            "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -j REJECT\n-A OUTPUT -p icmp -j DROP\nCOMMIT\n",
            "filter",
            "INPUT",
            Some(1),
            false,
        ),
        (
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j LOG\n-A INPUT -p tcp -j NFQUEUE\nCOMMIT\n",
            "filter",
            "INPUT",
            Some(2),
            false,
        ),
];

pub fn legacy(family: Family, table: &str, chain: &str, rule: Option<usize>, reply: bool) -> Spot {
    let part = Part::Legacy(family, table.to_owned());
    let chain = chain.to_owned();
    Spot {
        part,
        chain,
        rule,
        reply,
    }
}

#[test]
fn legacy_rules_are_traced() {
    for (rules, table, chain, rule, reply) in CASES {
        let mut lab = Lab::new();
        lab.listen(&[22]);
        lab.host("iptables-legacy-restore", rules);
        let mut tracer = lab.tracer(&[]);
        assert!(tracer.hears_legacy());
        let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
        let found = lab.stopped(&mut tracer, flow);
        assert_eq!(
            found,
            legacy(Family::V4, table, chain, rule, reply),
            "{rules}"
        );
        assert!(!tracer.has_lost());
        assert_eq!(tracer.has_queued(flow), rules.contains("NFQUEUE"));
    }
}

#[test]
fn legacy_rules_without_matches_are_not_taken_for_the_policy() {
    let cases = [
        (
            "-A INPUT -j LOG\n-A INPUT -j DROP\n-A INPUT -j ACCEPT\n",
            "INPUT",
            Some(2),
        ),
        ("-A INPUT -j MINE\n-A MINE -j DROP\n", "MINE", Some(1)),
        (
            "-A INPUT -j MINE\n-A INPUT -j RETURN\n-A INPUT -j ACCEPT\n-A MINE -p udp\n",
            "INPUT",
            None,
        ),
    ];
    for (rules, chain, rule) in cases {
        let lab = Lab::new();
        lab.host(
            "iptables-legacy-restore",
            &format!("*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n{rules}COMMIT\n"),
        );
        let mut tracer = lab.tracer(&[]);
        let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
        let found = lab.stopped(&mut tracer, flow);
        assert_eq!(
            found,
            legacy(Family::V4, "filter", chain, rule, false),
            "{rules}"
        );
    }
}

#[test]
fn what_legacy_rules_redirect_belongs_to_the_port_that_was_dialled() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.host(
        "iptables-legacy-restore",
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\n\
         -A PREROUTING -p tcp --dport 2223 -j REDIRECT --to-ports 22\nCOMMIT\n\
         *mangle\n-A PREROUTING -p tcp --dport 2223 -j MARK --set-mark 7\nCOMMIT\n\
         *filter\n-A INPUT -p tcp --dport 22 -m mark ! --mark 7 -j DROP\n-A OUTPUT -p tcp --sport 22 -j DROP\nCOMMIT\n",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 2222));
    let found = lab.stopped(&mut tracer, flow);
    assert_eq!(found, legacy(Family::V4, "filter", "INPUT", Some(1), false));
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 2223));
    let found = lab.stopped(&mut tracer, flow);
    assert_eq!(found, legacy(Family::V4, "filter", "OUTPUT", Some(1), true));
}

#[test]
fn legacy_rules_for_ipv6_and_echo_are_traced() {
    let lab = Lab::new();
    lab.host(
        "ip6tables-legacy-restore",
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -p icmpv6 --icmpv6-type 135 -j ACCEPT\n\
         -A INPUT -p icmpv6 --icmpv6-type 136 -j ACCEPT\n-A INPUT -p udp -j REJECT\n\
         -A INPUT -p icmpv6 --icmpv6-type 128 -j DROP\nCOMMIT\n",
    );
    lab.host(
        "iptables-legacy-restore",
        "*filter\n-A OUTPUT -p icmp -j DROP\nCOMMIT\n",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = datagram(&lab.world, WORLD6, at(HOST6, 53));
    let found = lab.stopped(&mut tracer, flow);
    assert_eq!(found, legacy(Family::V6, "filter", "INPUT", Some(3), false));
    let flow = echo(&lab.world, WORLD6, HOST6);
    let found = lab.stopped(&mut tracer, flow);
    assert_eq!(found, legacy(Family::V6, "filter", "INPUT", Some(4), false));
    let flow = echo(&lab.world, WORLD, HOST);
    let found = lab.stopped(&mut tracer, flow);
    assert_eq!(found, legacy(Family::V4, "filter", "OUTPUT", Some(1), true));
}

#[test]
fn neighbour_discovery_that_legacy_rules_stop_is_told() {
    let lab = Lab::new();
    lab.host(
        "ip6tables-legacy-restore",
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD6, at(HOST6, 22));
    let found = lab.stopped_where(&mut tracer, |_| true);
    assert_eq!(found.flow, None);
    assert!(found.concerns(&flow));
    assert_eq!(
        found.spot,
        legacy(Family::V6, "filter", "INPUT", None, false)
    );
}

#[test]
fn a_rule_that_rejects_comes_before_what_stops_its_answer() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.host(
        "iptables-legacy-restore",
        "*filter\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n",
    );
    lab.nft(
        "table inet f { chain out { type filter hook output priority 0; tcp flags rst drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    let own = |stopped: &Stopped| stopped.flow == Some(flow);
    let first = lab.stopped_where(&mut tracer, own).spot;
    let second = lab.stopped_where(&mut tracer, own).spot;
    assert_eq!(first, legacy(Family::V4, "filter", "INPUT", Some(1), false));
    assert_eq!(second, spot("inet f", "out", Some(1), true));
}

#[test]
fn many_flows_are_told_apart_in_legacy_tables_too() {
    const FLOWS: usize = 250;
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.host(
        "iptables-legacy-restore",
        "*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n-A INPUT -j LOG\n-A INPUT -j MINE\n-A MINE -p tcp --dport 22 -j DROP\nCOMMIT\n",
    );
    let mut tracer = lab.tracer(&[]);
    let port = |n: usize| if n.is_multiple_of(2) { 22 } else { 23 };
    let wanted: Vec<_> = (0..FLOWS)
        .map(|n| dial(&lab.world, WORLD, at(HOST, port(n))))
        .collect();
    let mut missing: BTreeSet<_> = wanted.iter().map(|(flow, _)| *flow).collect();
    while !missing.is_empty() {
        let stopped = lab.stopped_where(&mut tracer, |stopped| stopped.flow.is_some());
        let flow = stopped.flow.unwrap();
        let expected = match flow.destination.port() {
            22 => legacy(Family::V4, "filter", "MINE", Some(1), false),
            _ => legacy(Family::V4, "filter", "INPUT", None, false),
        };
        assert_eq!(stopped.spot, expected);
        missing.remove(&flow);
    }
    assert!(!tracer.has_lost());
}

#[test]
fn tracing_changes_no_legacy_rule_and_no_verdict() {
    let mut lab = Lab::new();
    lab.listen(&[22, 80]);
    lab.host("iptables-legacy-restore", "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp --dport 80 -j NFQUEUE --queue-bypass\nCOMMIT\n");
    let capture = || lab.host.enter(|| Tables::capture().unwrap()).unwrap();
    let before = capture();
    let mut tracer = lab.tracer(&[]);
    assert_eq!(capture(), before);
    let (accepted, socket) = dial(&lab.world, WORLD, at(HOST, 22));
    made(&socket).unwrap();
    let (bypassed, socket) = dial(&lab.world, WORLD, at(HOST, 80));
    made(&socket).unwrap();
    assert_eq!(tracer.drain(), []);
    assert!(tracer.has_queued(bypassed) && !tracer.has_queued(accepted));
    assert_eq!(tracer.remove().unwrap(), []);
    assert!(before.differing(&capture(), false).is_empty());
}
