//! What a tracer does and does not do.

use super::lab::{HOST, HOST6, INPUT, Lab, WORLD, WORLD6, at, datagram, dial, made, spot};
use safe_apply::rehearsal::Flow;
use safe_apply::rehearsal::decide::Tracer;
use safe_apply::rehearsal::decide::is_tracing;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;

#[test]
fn rules_on_ingress_are_traced_where_devices_are_named() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.nft(
        "table netdev f { chain v { type filter hook ingress device v0 priority -500; counter; \
         tcp dport 22 drop; udp dport 53 drop; }; }",
    );
    let mut tracer = lab.tracer(&["v0", "lo"]);
    for (world, host) in [(WORLD, HOST), (WORLD6, HOST6)] {
        let (flow, _socket) = dial(&lab.world, world, at(host, 22));
        assert_eq!(
            lab.stopped(&mut tracer, flow),
            spot("netdev f", "v", Some(2), false)
        );
        let (flow, _socket) = datagram(&lab.world, world, at(host, 53));
        assert_eq!(
            lab.stopped(&mut tracer, flow),
            spot("netdev f", "v", Some(3), false)
        );
    }
}

#[test]
fn a_rule_that_answers_for_the_destination_stops_nothing() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.sysctl("net/netfilter/nf_conntrack_tcp_loose", "0");
    lab.nft(&format!(
        "table inet f {{ chain raw {{ type filter hook prerouting priority -300; tcp dport 22 tcp flags syn notrack; }}; \
         chain in {{ {INPUT} tcp dport 22 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm; \
         tcp dport 23 drop; }}; }}"
    ));
    let mut tracer = lab.tracer(&[]);
    let (flow, socket) = dial(&lab.world, WORLD, at(HOST, 22));
    made(&socket).unwrap();
    let (other, _socket) = dial(&lab.world, WORLD, at(HOST, 23));
    let first = lab.stopped_where(&mut tracer, |stopped| stopped.flow.is_some());
    assert_ne!(first.flow, Some(flow));
    assert_eq!(first.flow, Some(other));
}

#[test]
fn a_packet_for_a_program_is_told_apart() {
    let mut lab = Lab::new();
    lab.listen(&[22, 80]);
    lab.host(
        "iptables-nft-restore",
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j NFQUEUE --queue-num 40000\n\
         -A INPUT -p tcp --dport 80 -j NFQUEUE --queue-num 0 --queue-bypass\nCOMMIT\n",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("ip filter", "INPUT", Some(1), false)
    );
    assert!(tracer.has_queued(flow));
    let (bypassed, socket) = dial(&lab.world, WORLD, at(HOST, 80));
    made(&socket).unwrap();
    assert!(tracer.has_queued(bypassed));
}

#[test]
fn tracing_changes_no_verdict_and_no_rule() {
    let mut lab = Lab::new();
    lab.listen(&[22, 23]);
    lab.nft(&format!(
        "table inet f {{ chain in {{ {INPUT} tcp dport 23 reject with tcp reset; meta mark != 0 drop; }}; }}; \
         table ip g {{ chain pre {{ type filter hook prerouting priority -300; }}; }}"
    ));
    let before = lab.capture();
    let mut tracer = Tracer::install(&lab.host, &["v0".to_owned()]).unwrap();
    let during = lab.capture();
    assert_eq!(during.tables, before.tables);
    assert!(during.owned.len() == 3 && during.owned.iter().all(is_tracing));
    lab.tell(&mut tracer);
    let (refused, socket) = dial(&lab.world, WORLD, at(HOST, 23));
    assert_eq!(made(&socket), Err(rustix::io::Errno::CONNREFUSED));
    assert_eq!(
        lab.stopped(&mut tracer, refused),
        spot("inet f", "in", Some(1), false)
    );
    tracer.remove().unwrap();
    let after = lab.capture();
    assert_eq!((after.tables, after.owned), (before.tables, before.owned));
    let (_, socket) = dial(&lab.world, WORLD, at(HOST, 22));
    made(&socket).unwrap();
}

#[test]
fn the_rules_that_count_are_those_that_were_told_last() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    let table = |rules: &str| format!("table inet f {{ chain in {{ {INPUT} {rules} }}; }}");
    lab.nft(&table("counter; counter; tcp dport 22 drop;"));
    let mut tracer = lab.tracer(&[]);
    let (early, _early) = dial(&lab.world, WORLD, at(HOST, 22));
    // Stopped before the rules are others; told of afterwards.
    let stopped = lab.stopped_where(&mut tracer, |stopped| stopped.flow == Some(early));
    assert_eq!(stopped.spot, spot("inet f", "in", Some(3), false));
    let (late, _late) = dial(&lab.world, WORLD, at(HOST, 22));
    lab.host("nft delete table inet f", "");
    // Made anew, its handles begin anew.
    lab.nft(&table("tcp dport 22 drop; counter; counter;"));
    lab.tell(&mut tracer);
    let (new, _new) = dial(&lab.world, WORLD, at(HOST, 22));
    assert_eq!(
        lab.stopped(&mut tracer, late),
        spot("inet f", "in", Some(3), false)
    );
    assert_eq!(
        lab.stopped(&mut tracer, new),
        spot("inet f", "in", Some(1), false)
    );
    assert!(!tracer.has_lost());
}

#[test]
fn a_rule_that_is_not_known_is_admitted() {
    let lab = Lab::new();
    let mut tracer = lab.tracer(&[]);
    lab.nft(&format!(
        "table inet f {{ chain in {{ {INPUT} tcp dport 22 drop; }}; }}"
    ));
    let (_, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    lab.nft("add chain inet f out { type filter hook input priority 1; policy drop; }");
    let (other, _other) = dial(&lab.world, WORLD, at(HOST, 23));
    lab.stopped(&mut tracer, other);
    assert!(tracer.has_lost());
}

#[test]
fn many_flows_at_once_are_all_told_of() {
    const FLOWS: usize = 250;
    let mut lab = Lab::new();
    lab.listen(&[22]);
    let chains: String = (0..20)
        .map(|n| format!("chain c{n} {{ counter; counter; return; }}; "))
        .collect();
    let jumps: String = (0..20).map(|n| format!("jump c{n}; ")).collect();
    lab.nft(&format!(
        "table inet f {{ {chains} chain in {{ {INPUT} {jumps} tcp dport 22 drop; }}; \
         chain out {{ type filter hook output priority 0; tcp sport 23 drop; }}; }}"
    ));
    let mut tracer = lab.tracer(&["v0"]);
    let wanted: Vec<_> = (0..FLOWS)
        .map(|n| dial(&lab.world, WORLD, at(HOST, 22 + u16::from(n % 2 == 1))))
        .collect();
    let mut missing: BTreeSet<_> = wanted.iter().map(|(flow, _)| *flow).collect();
    while !missing.is_empty() {
        let stopped = lab.stopped_where(&mut tracer, |stopped| stopped.flow.is_some());
        let flow = stopped.flow.unwrap();
        let expected = match flow.destination.port() {
            22 => spot("inet f", "in", Some(21), false),
            _ => spot("inet f", "out", Some(1), true),
        };
        assert_eq!(stopped.spot, expected);
        missing.remove(&flow);
    }
    assert!(!tracer.has_lost());
}

#[test]
fn events_that_did_not_fit_are_admitted() {
    let lab = Lab::new();
    lab.nft(
        "table inet f { chain out { type filter hook output priority 0; udp dport 53 drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, socket) = datagram(&lab.host, HOST, at(WORLD, 53));
    let dropped = spot("inet f", "out", Some(1), false);
    assert_eq!(lab.stopped(&mut tracer, flow), dropped);
    assert!(!tracer.has_lost());
    // More than fits the buffer, whatever one event takes of it.
    for _ in 0..70_000 {
        let _ = socket.send(b"x");
    }
    let told = tracer.drain().len();
    assert!(tracer.has_lost(), "{told} were told of");
    // And it goes on.
    let (flow, _socket) = datagram(&lab.host, HOST, at(WORLD, 53));
    assert_eq!(lab.stopped(&mut tracer, flow), dropped);
}

#[test]
fn a_connection_from_before_has_the_direction_that_was_announced() {
    for announced in [true, false] {
        let lab = Lab::new();
        let server = lab.host.enter(|| TcpListener::bind(at(HOST, 22)).unwrap());
        let server = server.unwrap();
        let (begun, socket) = dial(&lab.world, WORLD, at(HOST, 22));
        made(&socket).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        lab.nft("table inet f { chain out { type filter hook output priority 0; tcp sport 22 drop; }; }");
        let mut tracer = lab.tracer(&["no-such-device"]);
        let back = Flow {
            source: begun.destination,
            destination: begun.source,
            ..begun
        };
        let flow = if announced { begun } else { back };
        if announced {
            tracer.expect(begun);
        }
        accepted.write_all(b"x").unwrap();
        let found = lab.stopped(&mut tracer, flow);
        assert_eq!(found, spot("inet f", "out", Some(1), announced));
    }
}
