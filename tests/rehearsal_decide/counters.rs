//! Legacy rules, by what they counted.

use super::lab::{HOST, HOST6, Lab, PATIENCE, WORLD, WORLD6, at, datagram, dial, spot};
use super::legacy::{CASES, legacy};
use safe_apply::legacy::Family;
use safe_apply::rehearsal::Flow;
use safe_apply::rehearsal::decide::Counters;
use safe_apply::rehearsal::decide::Spot;
use safe_apply::rehearsal::decide::Stopped;
use safe_apply::rehearsal::decide::deciding;
use safe_apply::rehearsal::probe::Side;
use std::time::Instant;

/// Where counters say that a flow was stopped, which `send` begins.
fn counted(lab: &Lab, family: Family, side: Side, send: impl FnOnce(&Lab) -> Flow) -> Spot {
    let read = || {
        lab.host
            .enter(|| Counters::read(&[family]).unwrap())
            .unwrap()
    };
    let before = read();
    let flow = send(lab);
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(spot) = Counters::spot(&before, &read(), &flow, side) {
            return spot;
        }
        assert!(Instant::now() < until, "nothing stopped {flow:?}");
    }
}

#[test]
fn legacy_rules_are_found_by_their_counters() {
    for (rules, table, chain, rule, reply) in CASES {
        let mut lab = Lab::new();
        lab.listen(&[22]);
        lab.host("iptables-legacy-restore", rules);
        let mut held = None;
        let found = counted(&lab, Family::V4, Side::World, |lab| {
            let (flow, socket) = dial(&lab.world, WORLD, at(HOST, 22));
            held = Some(socket);
            flow
        });
        assert_eq!(
            found,
            legacy(Family::V4, table, chain, rule, reply),
            "{rules}"
        );
    }
}

#[test]
fn legacy_rules_for_ipv6_and_for_what_the_host_sends() {
    let lab = Lab::new();
    let rules = "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp --dport 53 -j DROP\n\
        -A INPUT -p udp --dport 53 -j DROP\n-A INPUT -p udp --dport 54 -j DROP\nCOMMIT\n";
    lab.host("ip6tables-legacy-restore", rules);
    let send = |lab: &Lab| datagram(&lab.host, HOST6, at(WORLD6, 53)).0;
    let found = counted(&lab, Family::V6, Side::Host, send);
    assert_eq!(
        found,
        legacy(Family::V6, "filter", "OUTPUT", Some(1), false)
    );
    let send = |lab: &Lab| datagram(&lab.world, WORLD6, at(HOST6, 53)).0;
    let found = counted(&lab, Family::V6, Side::World, send);
    assert_eq!(found, legacy(Family::V6, "filter", "INPUT", Some(1), false));
    // Over `lo`: in by INPUT, and yet no answer.
    let send = |lab: &Lab| datagram(&lab.host, HOST6, at(HOST6, 54)).0;
    let found = counted(&lab, Family::V6, Side::Host, send);
    assert_eq!(found, legacy(Family::V6, "filter", "INPUT", Some(2), false));
}

#[test]
fn both_kinds_of_rules_at_once() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.host(
        "iptables-legacy-restore",
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n",
    );
    lab.nft(
        "table inet f { chain out { type filter hook output priority 0; tcp flags rst drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let mut held = None;
    let found = counted(&lab, Family::V4, Side::World, |lab| {
        let (flow, socket) = dial(&lab.world, WORLD, at(HOST, 22));
        held = Some((flow, socket));
        flow
    });
    let (flow, _socket) = held.unwrap();
    let answer = |stopped: &Stopped| stopped.flow == Some(flow) && stopped.spot.reply;
    let traced = lab.stopped_where(&mut tracer, answer);
    assert_eq!(traced.spot, spot("inet f", "out", Some(1), true));
    assert_eq!(found, legacy(Family::V4, "filter", "INPUT", Some(1), false));
    assert_eq!(deciding(&flow, &[traced], Some(&found)), Some(found));
}
