//! Which rule stopped a packet: real packets through real rules, in namespaces of the tests' own.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "rehearsal_decide_lab/mod.rs"]
mod lab;

use std::collections::BTreeSet;
use std::time::Instant;

use lab::{HOST, HOST6, Lab, WORLD, WORLD6, at, datagram, dial, echo, made, spot};
use safe_apply::checkpoint::Part;
use safe_apply::legacy::Family;
use safe_apply::rehearsal::Flow;
use safe_apply::rehearsal::decide::{Counters, Spot, Tracer, deciding};
use safe_apply::rehearsal::probe::Side;

const INPUT: &str = "type filter hook input priority 0;";

/// Where a connection from the world to port 22 of a host with these rules is stopped.
fn stops(script: &str) -> Spot {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.nft(script);
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    lab.stopped(&mut tracer, flow)
}

/// The same, with iptables-nft rules of the filter table.
fn iptables_stops(rules: &str) -> Spot {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.host("iptables-nft-restore", rules);
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    lab.stopped(&mut tracer, flow)
}

#[test]
fn a_native_rule_is_named_by_its_number() {
    let found = stops(&format!(
        "table inet f {{ chain in {{ {INPUT} tcp dport 80 accept; counter; tcp dport 22 drop; drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(3), false));
}

#[test]
fn a_policy_is_no_rule() {
    let found = stops(&format!(
        "table ip f {{ chain in {{ {INPUT} policy drop; tcp dport 80 accept; log; }}; }}"
    ));
    assert_eq!(found, spot("ip f", "in", None, false));
}

#[test]
fn a_rule_that_rejects_is_named() {
    for with in ["", "with tcp reset", "with icmp type admin-prohibited"] {
        let found = stops(&format!(
            "table inet f {{ chain in {{ {INPUT} counter; tcp dport 22 reject {with}; }}; }}"
        ));
        assert_eq!(found, spot("inet f", "in", Some(2), false), "{with}");
    }
}

#[test]
fn a_rule_in_a_chain_that_was_jumped_to_is_named() {
    let found = stops(&format!(
        "table inet f {{ chain ssh {{ accept; }}; chain ports {{ tcp dport 80 accept; ip saddr {WORLD} drop; }}; \
         chain back {{ tcp dport 22 return; drop; }}; \
         chain in {{ {INPUT} jump back; goto ports; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "ports", Some(2), false));
}

#[test]
fn of_an_unnamed_chain_the_rule_that_holds_it_is_named() {
    let found = stops(&format!(
        "table inet f {{ chain in {{ {INPUT} counter; counter; \
         tcp dport 22 jump {{ counter; ip saddr 192.0.2.0/24 drop; }}; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(3), false));
}

#[test]
fn of_a_verdict_map_the_rule_that_looks_it_up_is_named() {
    let found = stops(&format!(
        "table inet f {{ map m {{ type inet_service : verdict; elements = {{ 22 : drop }}; }}; \
         chain in {{ {INPUT} counter; tcp dport vmap @m; drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(2), false));
    let found = stops(&format!(
        "table inet f {{ chain in {{ {INPUT} tcp dport vmap {{ 22 : drop }}; drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(1), false));
}

#[test]
fn raw_prerouting_and_invalid_states_are_named() {
    let found = stops(
        "table inet f { chain raw { type filter hook prerouting priority -300; tcp dport 22 drop; }; }",
    );
    assert_eq!(found, spot("inet f", "raw", Some(1), false));
    let found = stops(&format!(
        "table inet f {{ chain raw {{ type filter hook prerouting priority -300; tcp dport 22 notrack; }}; \
         chain in {{ {INPUT} ct state established,related accept; ct state untracked drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(2), false));
}

#[test]
fn a_packet_of_no_known_connection_is_invalid() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.sysctl("net/netfilter/nf_conntrack_tcp_loose", "0");
    let (flow, socket) = dial(&lab.world, WORLD, at(HOST, 22));
    made(&socket).unwrap();
    lab.nft(&format!(
        "table inet f {{ chain in {{ {INPUT} counter; ct state invalid drop; ct state new accept; }}; }}"
    ));
    lab.host
        .enter(|| std::fs::write("/proc/thread-self/net/../sys/none", "").ok())
        .unwrap();
    let mut tracer = lab.tracer(&[]);
    tracer.expect(flow);
    rustix::net::send(&socket, b"x", rustix::net::SendFlags::empty()).unwrap();
    let found = lab.stopped(&mut tracer, flow);
    assert_eq!(found, spot("inet f", "in", Some(2), false));
}

#[test]
fn iptables_nft_rules_are_numbered_as_iptables_does() {
    let found = iptables_stops(
        "*filter\n:INPUT DROP [0:0]\n:SSH - [0:0]\n:LOGS - [0:0]\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -p tcp -m tcp --dport 22 -j LOGS\n-A INPUT -p tcp -m multiport --dports 22,80 -j SSH\n\
         -A LOGS -j LOG --log-prefix x\n-A LOGS -j RETURN\n-A LOGS -j DROP\n\
         -A SSH -m limit --limit 1/hour -j LOG\n-A SSH -m comment --comment no -j DROP\nCOMMIT\n",
    );
    assert_eq!(found, spot("ip filter", "SSH", Some(2), false));
}

#[test]
fn a_policy_of_iptables_nft_is_reached_by_return() {
    let found = iptables_stops(
        "*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n-A INPUT -p tcp --dport 22 -j RETURN\n\
         -A INPUT -j ACCEPT\n-A MINE -p tcp --dport 22 -j RETURN\nCOMMIT\n",
    );
    assert_eq!(found, spot("ip filter", "INPUT", None, false));
}

#[test]
fn the_target_reject_is_named() {
    for with in [
        "",
        " --reject-with tcp-reset",
        " --reject-with icmp-admin-prohibited",
    ] {
        let found = iptables_stops(&format!(
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp -j REJECT{with}\nCOMMIT\n"
        ));
        assert_eq!(found, spot("ip filter", "INPUT", Some(2), false), "{with}");
    }
}

#[test]
fn other_tables_of_iptables_nft_are_named() {
    let found = iptables_stops(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j DROP\nCOMMIT\n",
    );
    assert_eq!(found, spot("ip raw", "PREROUTING", Some(1), false));
    let found = iptables_stops("*mangle\n:INPUT DROP [0:0]\n-A INPUT -j TTL --ttl-inc 1\nCOMMIT\n");
    assert_eq!(found, spot("ip mangle", "INPUT", None, false));
}

#[test]
fn an_answer_that_is_stopped_is_told_from_the_question() {
    let found = stops(
        "table inet f { chain out { type filter hook output priority 0; oif lo accept; tcp sport 22 drop; }; }",
    );
    assert_eq!(found, spot("inet f", "out", Some(2), true));
    let found = stops(
        "table inet f { chain post { type filter hook postrouting priority 0; policy drop; icmpv6 type 1-255 accept; }; }",
    );
    assert_eq!(found, spot("inet f", "post", None, true));
}

#[test]
fn what_the_host_itself_sends_is_no_answer() {
    let lab = Lab::new();
    lab.nft(
        "table inet f { chain out { type filter hook output priority 0; tcp dport 443 drop; }; \
         chain in { type filter hook input priority 0; udp sport 53 drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.host, HOST, at(WORLD, 443));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "out", Some(1), false)
    );
    let resolver = lab
        .world
        .enter(|| std::net::UdpSocket::bind(at(WORLD, 53)).unwrap())
        .unwrap();
    let (flow, _socket) = datagram(&lab.host, HOST, at(WORLD, 53));
    let (_, from) = resolver.recv_from(&mut [0; 9]).unwrap();
    resolver.send_to(b"y", from).unwrap();
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(1), true)
    );
}

#[test]
fn datagrams_and_echo_requests_of_both_versions() {
    let lab = Lab::new();
    lab.nft(&format!(
        "table inet f {{ chain in {{ {INPUT} udp dport 53 drop; icmp type echo-request drop; \
         icmpv6 type echo-request drop; }}; }}"
    ));
    let mut tracer = lab.tracer(&[]);
    for (world, host) in [(WORLD, HOST), (WORLD6, HOST6)] {
        let (flow, _socket) = datagram(&lab.world, world, at(host, 53));
        assert_eq!(
            lab.stopped(&mut tracer, flow),
            spot("inet f", "in", Some(1), false)
        );
    }
    let flow = echo(&lab.world, WORLD, HOST);
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(2), false)
    );
    let flow = echo(&lab.world, WORLD6, HOST6);
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(3), false)
    );
}

#[test]
fn an_echo_reply_is_an_answer() {
    let lab = Lab::new();
    lab.nft(
        "table inet f { chain out { type filter hook output priority 0; icmp type echo-reply drop; \
         icmpv6 type echo-reply drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let flow = echo(&lab.world, WORLD, HOST);
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "out", Some(1), true)
    );
    let flow = echo(&lab.world, WORLD6, HOST6);
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "out", Some(2), true)
    );
}

const REDIRECT: &str = "chain pre { type nat hook prerouting priority -100; tcp dport 2222 redirect to :22; }; \
     chain nout { type nat hook output priority -100; tcp dport 2222 redirect to :22; };";

#[test]
fn what_was_redirected_belongs_to_the_port_that_was_dialled() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.nft(&format!("table inet n {{ {REDIRECT} }}; table inet f {{ chain in {{ {INPUT} tcp dport 22 drop; }}; }}"));
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 2222));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(1), false)
    );
    // Over `lo` it is translated on the way out.
    let (flow, _socket) = dial(&lab.host, HOST, at(HOST, 2222));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(1), false)
    );
}

#[test]
fn answers_to_what_was_redirected_belong_to_it_too() {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.nft(&format!(
        "table inet n {{ {REDIRECT} }}; table inet f {{ chain out {{ type filter hook output priority 0; \
         tcp sport 22 drop; }}; }}"
    ));
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 2222));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "out", Some(1), true)
    );
    let (flow, _socket) = dial(&lab.host, HOST, at(HOST, 2222));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "out", Some(1), true)
    );
}

#[test]
fn answers_to_a_translated_source_belong_to_its_flow() {
    let lab = Lab::new();
    let _accepting = lab
        .world
        .enter(|| std::net::TcpListener::bind(at(WORLD, 443)).unwrap())
        .unwrap();
    lab.host("ip addr add 192.0.2.3/24 dev v0", "");
    lab.nft(
        "table ip n { chain post { type nat hook postrouting priority 100; tcp dport 443 snat to 192.0.2.3; }; }; \
         table inet f { chain raw { type filter hook prerouting priority -300; tcp sport 443 drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.host, HOST, at(WORLD, 443));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "raw", Some(1), true)
    );
}

#[test]
fn without_address_resolution_no_flow_is_named() {
    let lab = Lab::new();
    lab.nft("table arp f { chain in { type filter hook input priority 0; counter; arp operation request drop; }; }");
    let mut tracer = lab.tracer(&[]);
    let (_, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    let found = lab.stopped_where(&mut tracer, |stopped| stopped.flow.is_none());
    assert_eq!(found.spot, spot("arp f", "in", Some(2), false));
}

#[test]
fn an_arp_reply_is_an_answer() {
    let lab = Lab::new();
    lab.nft("table arp f { chain out { type filter hook output priority 0; policy drop; arp operation request accept; }; }");
    let mut tracer = lab.tracer(&[]);
    let (_, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    let found = lab.stopped_where(&mut tracer, |stopped| stopped.flow.is_none());
    assert_eq!(found.spot, spot("arp f", "out", None, true));
}

#[test]
fn without_neighbour_discovery_no_flow_is_named() {
    let lab = Lab::new();
    lab.nft(&format!("table inet f {{ chain in {{ {INPUT} policy drop; tcp dport 22 accept; udp dport 1-65535 accept; }}; }}"));
    let mut tracer = lab.tracer(&[]);
    let (_, _socket) = dial(&lab.world, WORLD6, at(HOST6, 22));
    let found = lab.stopped_where(&mut tracer, |_| true);
    assert_eq!(found.flow, None);
    assert_eq!(found.spot, spot("inet f", "in", None, false));
}

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
fn arp_that_is_dropped_on_ingress_is_told() {
    let lab = Lab::new();
    lab.nft("table netdev f { chain v { type filter hook ingress device v0 priority 0; ether type arp drop; }; }");
    let mut tracer = lab.tracer(&["v0"]);
    let (_, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    let found = lab.stopped_where(&mut tracer, |stopped| stopped.flow.is_none());
    assert_eq!(found.spot, spot("netdev f", "v", Some(1), false));
}

#[test]
fn what_is_forwarded_is_traced() {
    let lab = Lab::new();
    lab.sysctl("net/ipv4/ip_forward", "1");
    lab.host("ip link add b0 type bridge", "");
    lab.host("ip addr add 198.51.100.1/24 dev b0", "");
    lab.host("ip link set b0 up", "");
    lab.world
        .enter(|| lab::tool(&format!("ip route add 198.51.100.0/24 via {HOST}"), ""))
        .unwrap();
    lab.nft(
        "table inet f { chain on { type filter hook forward priority 0; tcp dport 80 drop; }; }",
    );
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at("198.51.100.9", 80));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "on", Some(1), false)
    );
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
    lab.stopped(&mut tracer, other);
    assert!(
        tracer
            .drain()
            .iter()
            .all(|stopped| stopped.flow != Some(flow))
    );
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
    assert_eq!(tracer.queued(), &BTreeSet::from([flow]));
    let (bypassed, socket) = dial(&lab.world, WORLD, at(HOST, 80));
    made(&socket).unwrap();
    tracer.drain();
    assert!(tracer.queued().contains(&bypassed));
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
    assert!(
        during.owned.len() == 3
            && during
                .owned
                .iter()
                .all(safe_apply::rehearsal::decide::is_tracing)
    );
    tracer.rules(&during);
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
    tracer.rules(&lab.capture());
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
    lab.nft(&format!(
        "table inet f {{ chain in {{ {INPUT} udp dport 53 drop; }}; }}"
    ));
    let mut tracer = lab.tracer(&[]);
    let (flow, socket) = datagram(&lab.world, WORLD, at(HOST, 53));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(1), false)
    );
    assert!(!tracer.has_lost());
    // More than fits the buffer, whatever one event takes of it.
    for _ in 0..300_000 {
        let _ = socket.send(b"x");
    }
    let told = tracer.drain().len();
    assert!(tracer.has_lost(), "{told} were told of");
    // And it goes on.
    let (flow, _socket) = datagram(&lab.world, WORLD, at(HOST, 53));
    assert_eq!(
        lab.stopped(&mut tracer, flow),
        spot("inet f", "in", Some(1), false)
    );
}

/// Where counters say that a flow was stopped, which `send` begins.
fn counted(lab: &Lab, family: Family, side: Side, send: impl FnOnce(&Lab) -> Flow) -> Spot {
    let read = || {
        lab.host
            .enter(|| Counters::read(&[family]).unwrap())
            .unwrap()
    };
    let before = read();
    let flow = send(lab);
    let until = Instant::now() + lab::PATIENCE;
    loop {
        if let Some(spot) = Counters::spot(&before, &read(), &flow, side) {
            return spot;
        }
        assert!(Instant::now() < until, "nothing stopped {flow:?}");
    }
}

fn legacy(family: Family, table: &str, chain: &str, rule: Option<usize>, reply: bool) -> Spot {
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
fn legacy_rules_are_found_by_their_counters() {
    let cases = [
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
    for (rules, table, chain, rule, reply) in cases {
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
    let traced = lab.stopped_where(&mut tracer, |stopped| stopped.flow == Some(flow));
    assert_eq!(traced.spot, spot("inet f", "out", Some(1), true));
    assert_eq!(found, legacy(Family::V4, "filter", "INPUT", Some(1), false));
    assert_eq!(deciding(&flow, &[traced], Some(&found)), Some(found));
}
