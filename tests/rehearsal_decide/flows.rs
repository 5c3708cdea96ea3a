//! Stopped packets are told by the flow that they belong to.

use super::lab::{
    HOST, HOST6, INPUT, Lab, WORLD, WORLD6, at, datagram, dial, echo, made, spot, tool,
};
use super::rules::stops;

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
        .enter(|| tool(&format!("ip route add 198.51.100.0/24 via {HOST}"), ""))
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
