//! Stages: two namespaces that look like a host and its world.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, not only tests

#[path = "rehearsal_stage/doubts.rs"]
mod doubts;
#[path = "rehearsal_stage/lab.rs"]
mod lab;
#[path = "rehearsal_stage/likeness.rs"]
mod likeness;
#[path = "rehearsal_stage/limits.rs"]
mod limits;
#[path = "rehearsal_stage/model.rs"]
mod model;
#[path = "rehearsal_stage/traces.rs"]
mod traces;

use std::io::ErrorKind;

use lab::{dial, dial_by, listen, nft, on_stage, on_stage_with, tool_in};
use model::{GATEWAY_MAC, address, host, ip, link, neighbour, plain, policy, route};
use safe_apply::rehearsal::host::Link;

const PEER_V4: &str = "203.0.113.9";
const PEER_V6: &str = "2001:db8:9::9";

/// Rules that let nobody find the host's hardware address.
const NO_NEIGHBOURS: &str = "
table arp t {
  chain c {
    type filter hook input priority 0
    drop
  }
}
table ip6 t {
  chain c {
    type filter hook input priority 0
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop
  }
}
";

#[test]
fn peers_behind_gateways_connect() {
    let stage = on_stage(&plain(), &[PEER_V4, PEER_V6]);
    let listener = listen(&stage);
    for (peer, server) in [(PEER_V4, "198.51.100.2"), (PEER_V6, "2001:db8::2")] {
        assert_eq!(stage.wire_to(ip(peer)).as_deref(), Some("w2"));
        assert_eq!(stage.doubt(ip(peer)), None);
        assert_eq!(stage.doubt_between(ip(peer), ip(server)), None);
        let _client = dial(&stage, peer, server).unwrap();
        let (_, from) = listener.accept().unwrap();
        assert_eq!(from.ip().to_canonical(), ip(peer));
    }
    assert_eq!(stage.limits(), [""; 0]);
    assert_eq!(stage.link_of("w2"), Some(2));
    // As an IPv6 socket tells it.
    let mapped = ip("::ffff:203.0.113.9");
    assert_eq!(stage.wire_to(mapped).as_deref(), Some("w2"));
    assert_eq!(stage.doubt(mapped), None);
}

#[test]
fn peers_on_the_link_connect() {
    let mut host = plain();
    host.neighbours.push(neighbour(2, "fe80::77", GATEWAY_MAC));
    let peers = ["198.51.100.77", "2001:db8::77", "fe80::77"];
    let servers = ["198.51.100.2", "2001:db8::2", "fe80::5054:ff:fe00:2"];
    let stage = on_stage(&host, &peers);
    let listener = listen(&stage);
    for (peer, server) in peers.into_iter().zip(servers) {
        let _client = dial(&stage, peer, server).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip().to_canonical(), ip(peer));
        assert_eq!(stage.doubt(ip(peer)), None);
    }
}

#[test]
fn servers_reach_peers_and_what_is_not_there_is_given_up() {
    let stage = on_stage(&plain(), &[PEER_V4]);
    let listener = || std::net::TcpListener::bind((PEER_V4, 53)).unwrap();
    let listener = stage.world().enter(listener).unwrap();
    let reach = |to: &str| std::net::TcpStream::connect((to, 53));
    let _client = stage.server().enter(|| reach(PEER_V4).unwrap()).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), ip("198.51.100.2"));
    // Nobody has this address of the link.
    let nobody = stage
        .server()
        .enter(|| reach("198.51.100.200").unwrap_err());
    assert_eq!(nobody.unwrap().kind(), ErrorKind::HostUnreachable);
}

#[test]
fn packets_come_with_the_hardware_address_of_the_gateway() {
    let stage = on_stage(&plain(), &[PEER_V4, PEER_V6]);
    let _listener = listen(&stage);
    assert_eq!(stage.false_mac(ip(PEER_V4)), None);
    nft(
        stage.server(),
        "table inet t {
           chain c {
             type filter hook input priority 0; policy drop
             ether saddr 52:54:00:01:02:03 accept
           }
         }",
    );
    dial(&stage, PEER_V4, "198.51.100.2").unwrap();
    dial(&stage, PEER_V6, "2001:db8::2").unwrap();
    nft(
        stage.server(),
        "table inet t {
           chain d {
             type filter hook input priority 1
             ether saddr 52:54:00:01:02:03 drop
           }
         }",
    );
    let blocked = dial(&stage, PEER_V4, "198.51.100.2").unwrap_err();
    assert_eq!(blocked.kind(), ErrorKind::TimedOut);
}

#[test]
fn hardware_addresses_that_are_not_the_peers_own_are_told() {
    let mut host = plain();
    host.neighbours
        .push(neighbour(2, "198.51.100.77", [2, 0, 0, 0, 0, 7]));
    let stage = on_stage(&host, &["198.51.100.77", PEER_V4, "198.51.100.78"]);
    assert_eq!(stage.false_mac(ip("198.51.100.77")), None);
    let other = stage.false_mac(ip(PEER_V4)).unwrap();
    assert!(other.contains("another neighbour"), "{other}");
    let unknown = stage.false_mac(ip("198.51.100.78")).unwrap();
    assert!(unknown.contains("not known"), "{unknown}");
    let world = tool_in(stage.world(), "ip link show w2");
    assert!(world.contains("02:00:00:00:00:07"), "{world}");
    // All of them can connect all the same.
    let _listener = listen(&stage);
    for peer in ["198.51.100.77", PEER_V4, "198.51.100.78"] {
        dial(&stage, peer, "198.51.100.2").unwrap();
    }
}

/// Two uplinks; what comes from the second one's address leaves by the second.
fn two_uplinks() -> safe_apply::rehearsal::host::Host {
    let mut host = host(
        vec![link(2, "wan0"), link(3, "wan1")],
        vec![address(2, "198.51.100.2/24"), address(3, "192.0.2.2/24")],
        vec![
            route("198.51.100.0/24", None, 2, 254),
            route("192.0.2.0/24", None, 3, 254),
            route("default", Some("198.51.100.1"), 2, 254),
            route("default", Some("192.0.2.1"), 3, 100),
        ],
    );
    host.policies = vec![policy("192.0.2.2", 100)];
    for scope in ["all", "default", "wan0", "wan1"] {
        let path = format!("net/ipv4/conf/{scope}/rp_filter");
        host.sysctls.insert(path, "1".to_owned());
    }
    host
}

const TWO_UPLINKS: [&str; 1] = ["ip rule add from 192.0.2.2 lookup 100 pref 100"];

#[test]
fn policy_routing_sends_answers_by_the_wire_that_the_question_came_by() {
    let stage = on_stage_with(&two_uplinks(), &[PEER_V4], &TWO_UPLINKS, &[]);
    let _listener = listen(&stage);
    assert_eq!(stage.limits(), [""; 0]);
    assert_eq!(stage.doubt(ip(PEER_V4)), None);
    for (server, wire) in [("198.51.100.2", "w2"), ("192.0.2.2", "w3")] {
        let between = stage.wire_between(ip(PEER_V4), ip(server));
        assert_eq!(between.as_deref(), Some(wire));
        dial(&stage, PEER_V4, server).unwrap();
    }
    // By the other wire it is a martian: the reverse path filter is the host's.
    let filter = tool_in(stage.server(), "sysctl -n net.ipv4.conf.wan1.rp_filter");
    assert_eq!(filter.trim(), "1");
    let martian = dial_by(&stage, "w3", PEER_V4, "198.51.100.2").unwrap_err();
    assert_eq!(martian.kind(), ErrorKind::TimedOut);
}

#[test]
fn addresses_of_other_interfaces_are_reached() {
    let mut host = plain();
    host.links.insert(5, link(5, "docker0"));
    host.addresses.extend([
        address(5, "172.17.0.1/16"),
        address(5, "2001:db8:d::1/64"),
        address(1, "203.0.113.200/32"),
    ]);
    let stage = on_stage(&host, &[PEER_V4, PEER_V6]);
    let _listener = listen(&stage);
    dial(&stage, PEER_V4, "172.17.0.1").unwrap();
    dial(&stage, PEER_V4, "203.0.113.200").unwrap();
    dial(&stage, PEER_V6, "2001:db8:d::1").unwrap();
}

#[test]
fn neighbours_that_are_forgotten_have_to_be_found_again() {
    let stage = on_stage(&plain(), &[PEER_V4, PEER_V6]);
    let _listener = listen(&stage);
    let both = || {
        [
            dial(&stage, PEER_V4, "198.51.100.2"),
            dial(&stage, PEER_V6, "2001:db8::2"),
        ]
    };
    for done in both() {
        done.unwrap();
    }
    nft(stage.server(), NO_NEIGHBOURS);
    for done in both() {
        done.unwrap();
    }
    stage.forget_neighbours().unwrap();
    for done in both() {
        done.unwrap_err();
    }
}

#[test]
fn tunnels_ask_for_no_neighbours() {
    let tunnel = Link {
        hardware: 65534,
        mac: None,
        mtu: 1420,
        kind: Some("wireguard".to_owned()),
        ..link(9, "wg0")
    };
    let mut model = plain();
    model.links.insert(9, tunnel);
    model
        .addresses
        .extend([address(9, "10.9.0.1/24"), address(9, "fd00:9::1/64")]);
    model.routes.extend([
        route("10.9.0.0/24", None, 9, 254),
        route("fd00:9::/64", None, 9, 254),
        route("10.10.0.0/16", None, 9, 254),
    ]);
    let stage = on_stage(&model, &["10.9.0.7", "fd00:9::7", "10.10.1.1"]);
    let _listener = listen(&stage);
    nft(stage.server(), NO_NEIGHBOURS);
    for (peer, server) in [
        ("10.9.0.7", "10.9.0.1"),
        ("fd00:9::7", "fd00:9::1"),
        ("10.10.1.1", "10.9.0.1"),
    ] {
        assert_eq!(stage.wire_to(ip(peer)).as_deref(), Some("w9"));
        let doubt = stage.doubt(ip(peer)).unwrap();
        assert!(doubt.contains("go through wg0"), "{doubt}");
        dial(&stage, peer, server).unwrap();
    }
    // The address of another interface, through the tunnel.
    dial(&stage, "10.9.0.7", "198.51.100.2").unwrap();
}
