//! Routes and policy routing rules.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use safe_apply::exec::Run;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::host::{Host, Route};

use crate::{NETWORK, host, ip, namespace};

fn route<'a>(host: &'a Host, to: Option<(&str, u8)>, table: u32) -> Option<&'a Route> {
    let to = to.map(|(net, prefix)| (ip(net), prefix));
    let mut routes = host.routes.iter();
    routes.find(|route| route.destination == to && route.table == table)
}

#[test]
fn routes_are_read_of_all_tables() {
    let host = host(&format!(
        "{NETWORK}
        route add default via 192.0.2.1 dev out0 metric 50
        route add 198.51.100.0/24 nexthop via 192.0.2.8 dev out0 nexthop via 192.0.2.9 dev out0
        route add 203.0.113.0/24 via inet6 2001:db8::9 dev out0
        route add 10.1.0.0/16 via 192.0.2.7 table 1000
        route add blackhole 10.2.0.0/16
        route add local 10.3.0.0/16 dev lo
        -6 route add default via fe80::1 dev out0
        -6 route add 2001:db8:9::/48 nexthop via 2001:db8::8 dev out0 nexthop via 2001:db8::9 dev out0
        -6 route add local 2001:db8:a::/64 dev lo"
    ));
    let default = host
        .routes
        .iter()
        .find(|route| route.destination.is_none() && !route.v6);
    let default = default.unwrap();
    assert_eq!(
        (default.table, default.protocol, default.metric()),
        (254, 3, 50)
    );
    assert_eq!(
        (&default.links[..], &default.gateways[..]),
        (&[7][..], &[ip("192.0.2.1")][..])
    );
    assert!(default.is_default());
    assert_eq!(default.raw[0], 2);
    let several = route(&host, Some(("198.51.100.0", 24)), 254).unwrap();
    assert_eq!(several.links, [7, 7]);
    assert_eq!(several.gateways, [ip("192.0.2.8"), ip("192.0.2.9")]);
    let other_family = route(&host, Some(("203.0.113.0", 24)), 254).unwrap();
    assert_eq!(other_family.gateways, [ip("2001:db8::9")]);
    assert!(route(&host, Some(("10.1.0.0", 16)), 1000).is_some());
    let hole = route(&host, Some(("10.2.0.0", 16)), 254).unwrap();
    assert_eq!(
        (hole.kind(), hole.links.len(), hole.is_local()),
        (6, 0, false)
    );
    let attached = route(&host, Some(("192.0.2.0", 24)), 254).unwrap();
    assert_eq!((attached.protocol, attached.gateways.len()), (2, 0));
    let v6_default = host
        .routes
        .iter()
        .find(|route| route.destination.is_none() && route.v6);
    assert_eq!(v6_default.unwrap().gateways, [ip("fe80::1")]);
    let v6_several: Vec<_> = host
        .routes
        .iter()
        .filter(|route| route.destination == Some((ip("2001:db8:9::"), 48)))
        .flat_map(|route| route.gateways.clone())
        .collect();
    assert_eq!(v6_several, [ip("2001:db8::8"), ip("2001:db8::9")]);
    // In the table local only what the kernel did not put there.
    let local: BTreeSet<_> = host
        .routes
        .iter()
        .filter(|route| route.table == 255)
        .filter_map(|route| Some(route.destination?.0))
        .collect();
    assert_eq!(local, [ip("10.3.0.0"), ip("2001:db8:a::")].into());
    assert!(host.is_local(ip("10.3.77.1")) && host.is_local(ip("2001:db8:a::5")));
    assert!(!host.is_local(ip("10.2.0.1")));
    let gateways: Vec<_> = host
        .needs
        .iter()
        .filter(|need| need.purpose == "default gateway")
        .map(|need| (need.protocol, need.ip.unwrap()))
        .collect();
    let icmp = Protocol::Icmp;
    assert_eq!(gateways, [(icmp, ip("192.0.2.1")), (icmp, ip("fe80::1"))]);
    assert!(
        host.left_out.iter().all(|line| !line.contains("route")),
        "{:?}",
        host.left_out
    );
}

/// Routes to 2500 networks that `by` leads to.
fn many(by: &str) -> String {
    let lines =
        (0..2500_u32).map(|at| format!("route add 10.{}.{}.0/24 {by}\n", at / 256, at % 256));
    lines.collect()
}

#[test]
fn of_many_routes_the_needed_are_taken() {
    let host = host(&format!(
        "{NETWORK}\n{}route add default via 192.0.2.1\nroute add 198.51.100.0/24 dev out0",
        many("via 192.0.2.1")
    ));
    assert_eq!(host.routes.iter().filter(|route| !route.v6).count(), 2000);
    assert!(host.routes.iter().any(Route::is_default));
    assert!(route(&host, Some(("198.51.100.0", 24)), 254).is_some());
    let line = host
        .left_out
        .iter()
        .find(|line| line.contains("IPv4 routes"));
    assert!(
        line.unwrap().contains("2000 of 2503"),
        "{:?}",
        host.left_out
    );
    assert!(
        !host
            .left_out
            .iter()
            .any(|line| line.contains("IPv6 routes"))
    );
}

#[test]
fn the_default_route_is_taken_beyond_any_number() {
    // Tables are listed by the low byte of their number: this one after main (254).
    let default = "route add default via 192.0.2.1 table 511";
    let host = host(&format!("{NETWORK}\n{}{default}", many("dev out0")));
    assert!(route(&host, None, 511).is_some_and(Route::is_default));
    assert_eq!(host.routes.iter().filter(|route| !route.v6).count(), 2001);
}

/// The Internet checksum of RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}

#[test]
fn what_the_kernel_learnt_on_the_way_is_no_route() {
    let namespace = namespace(&format!("{NETWORK}\nroute add default via 192.0.2.1"));
    let learn = || {
        let before = Host::read().unwrap().routes;
        let socket = UdpSocket::bind("192.0.2.2:2000").unwrap();
        socket.connect("198.51.100.9:9").unwrap();
        // "Fragmentation needed, MTU 1200" about a datagram of that socket.
        let mut icmp = vec![3, 4, 0, 0, 0, 0, 0x04, 0xb0];
        icmp.extend([0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0]);
        icmp.extend([192, 0, 2, 2, 198, 51, 100, 9]);
        icmp.extend([0x07, 0xd0, 0, 9, 0, 8, 0, 0]);
        let sum = checksum(&icmp).to_be_bytes();
        icmp[2..4].copy_from_slice(&sum);
        let flags = SocketFlags::CLOEXEC;
        let protocol = Some(rustix::net::ipproto::ICMP);
        let raw = socket_with(AddressFamily::INET, SocketType::RAW, flags, protocol).unwrap();
        let own: SocketAddr = "192.0.2.2:0".parse().unwrap();
        rustix::net::sendto(&raw, &icmp, rustix::net::SendFlags::empty(), &own).unwrap();
        let cache = Run::tool("ip").unwrap().args(["route", "show", "cache"]);
        let cache = String::from_utf8(cache.success().unwrap()).unwrap();
        assert!(cache.contains("198.51.100.9"), "{cache}");
        assert_eq!(Host::read().unwrap().routes, before);
    };
    namespace.enter(learn).unwrap();
}

#[test]
fn policy_routing_rules_are_read_but_for_the_kernels_own() {
    assert!(host(NETWORK).policies.is_empty());
    let host = host(&format!(
        "{NETWORK}
        rule add from 192.0.2.2 table 1000 priority 100
        rule add fwmark 0x1 table main priority 32766
        rule add table local priority 5
        rule add table main suppress_prefixlength 0 priority 32766
        -6 rule add iif out0 prohibit priority 200"
    ));
    let families: Vec<u8> = host.policies.iter().map(|rule| rule[0]).collect();
    assert_eq!(families, [2, 2, 2, 2, 10]);
    assert!(
        host.left_out.iter().all(|line| !line.contains("policy")),
        "{:?}",
        host.left_out
    );
    // FRA_PRIORITY (6) of 100 as it stands in the dump.
    let attribute = [8_u16.to_ne_bytes(), 6_u16.to_ne_bytes()].concat();
    let attribute = [attribute, 100_u32.to_ne_bytes().to_vec()].concat();
    let has = |rule: &&Vec<u8>| rule.windows(8).any(|eight| eight == attribute);
    assert_eq!(host.policies.iter().filter(has).count(), 1);
}

#[test]
fn that_a_rule_of_the_kernels_own_is_gone_is_told() {
    let host = host(&format!(
        "{NETWORK}\n-6 rule del priority 0\n-6 rule add table local priority 9"
    ));
    let told: Vec<_> = host
        .left_out
        .iter()
        .filter(|line| line.contains("policy"))
        .collect();
    assert_eq!(told.len(), 1, "{:?}", host.left_out);
    assert!(told[0].contains("IPv6"), "{told:?}");
    assert_eq!(host.policies.len(), 1);
}
