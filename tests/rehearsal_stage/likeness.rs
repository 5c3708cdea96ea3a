//! The server looks like the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use safe_apply::netns::NetNs;
use safe_apply::rehearsal::host::{Host, Link};
use safe_apply::rehearsal::stage::Stage;

use crate::lab::{dial, listen, nft, on_stage, tool, until_carried};
use crate::model::{address, host, ip, link, plain, route};

/// A host with a bit of everything that this kernel can have.
const HOST: &str = "ip link set lo up
ip addr add 203.0.113.200/32 dev lo
ip link add ens3 index 12 type veth peer name p12 netns ELSEWHERE
ip link set ens3 address 52:54:00:11:22:33 mtu 1400 group 7 addrgenmode none
ip link set ens3 up
ip addr add 198.51.100.2/24 dev ens3
ip addr add 198.51.100.3/24 dev ens3
ip addr add 192.0.2.10 peer 192.0.2.11/32 dev ens3
ip addr add 2001:db8::2/64 dev ens3 nodad
ip addr add 2001:db8::3/64 dev ens3 preferred_lft 0 nodad
ip addr add fe80::2/64 dev ens3 nodad
ip link add ens4 index 5 type veth peer name p5 netns ELSEWHERE
ip link set ens4 addrgenmode none
ip link set ens4 up
ip addr add 10.0.0.2/8 dev ens4
ip link add down0 index 30 type bridge
ip link add spare0 index 31 type bridge
ip link set spare0 addrgenmode none
ip link set spare0 up
ip route add default via 198.51.100.1 dev ens3 src 198.51.100.3 metric 50
ip route add default via 10.0.0.1 dev ens4 metric 60
ip route add 203.0.113.0/24 nexthop via 198.51.100.1 dev ens3 nexthop via 10.0.0.1 dev ens4
ip route add 172.16.0.0/12 via 10.9.9.9 dev ens4 mtu 1300
ip route add 203.0.114.0/24 via inet6 fe80::1 dev ens3
ip route add blackhole 192.168.0.0/16
ip route add 100.64.0.0/10 via 10.0.0.1 table 77
ip -6 route add default via fe80::1 dev ens3
ip -6 route add 2001:db8:7::/48 via 2001:db8::9 dev ens3
ip -6 route add 2001:db8:8::/48 nexthop via 2001:db8::9 dev ens3 nexthop via 2001:db8::a dev ens3
ip -6 route add unreachable 2001:db8:6::/48
ip rule add from 10.0.0.2 fwmark 0x1/0xff lookup 77 pref 1000
ip rule add not to 198.51.100.0/24 iif ens4 lookup 77 pref 0
ip -6 rule add from 2001:db8::2 lookup 77 pref 2000";

/// What the kernel makes of it, but for what is about the moment: lines in order.
fn look() -> Vec<String> {
    let mut lines = Vec::new();
    for line in [
        "ip -o -4 addr",
        "ip -o -6 addr",
        "ip -4 route show table all",
        "ip -6 route show table all",
        "ip -4 rule",
        "ip -6 rule",
    ] {
        for found in tool(line).lines() {
            let words = found
                .split_whitespace()
                .filter(|word| !["linkdown", "noprefixroute", "nodad", "tentative"].contains(word));
            let words: Vec<&str> = words.collect();
            let line = words.join(" ");
            // Nothing is plugged into this one, which a bridge does not mind.
            if !line.starts_with("multicast ff00::/8 dev spare0 ") {
                lines.push(line);
            }
        }
    }
    lines
}

fn links(host: &Host) -> BTreeMap<u32, Link> {
    let mut links = host.links.clone();
    for link in links.values_mut() {
        // A wire, or an interface that nothing is plugged into.
        link.kind = None;
        if link.name.ends_with('0') {
            link.mac = None;
        }
    }
    links
}

const PEERS: [&str; 4] = [
    "203.0.113.9",
    "203.0.114.9",
    "2001:db8:9::9",
    "2001:db8:7::1",
];

#[test]
fn the_server_has_the_hosts_interfaces_addresses_routes_and_policies() {
    let outer = NetNs::scratch().unwrap();
    let elsewhere = NetNs::scratch().unwrap();
    let fd = elsewhere.as_fd().as_raw_fd();
    let elsewhere_path = format!("/proc/{}/fd/{fd}", std::process::id());
    let (before, host, stage) = outer
        .enter(|| {
            for line in HOST.lines() {
                tool(&line.replace("ELSEWHERE", &elsewhere_path));
            }
            for name in ["p12", "p5"] {
                elsewhere
                    .enter(|| tool(&format!("ip link set {name} up")))
                    .unwrap();
            }
            until_carried(&["ens3", "ens4"]);
            let host = Host::read().unwrap();
            let peers = PEERS.map(ip);
            let stage = Stage::build(&host, &peers, &BTreeSet::new()).unwrap();
            (look(), host, stage)
        })
        .unwrap();
    let (after, there) = stage
        .server()
        .enter(|| (look(), Host::read().unwrap()))
        .unwrap();
    assert_eq!(stage.limits(), [""; 0]);
    assert_eq!(links(&there), links(&host));
    // The kernel prefers the first of those that are as good.
    let addresses = |host: &Host| {
        let all = host.addresses.iter();
        all.map(|one| (one.link, one.ip, one.prefix, one.peer, one.scope))
            .collect::<Vec<_>>()
    };
    assert_eq!(addresses(&there), addresses(&host));
    // The kernel's own routes of IPv6 are made when they are made.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(after), sorted(before));
    for peer in PEERS {
        assert_eq!(stage.doubt(ip(peer)), None);
    }
    let _listener = listen(&stage);
    for (peer, server) in
        PEERS
            .into_iter()
            .zip(["198.51.100.3", "198.51.100.2", "2001:db8::2", "2001:db8::3"])
    {
        dial(&stage, peer, server).unwrap();
    }
}

#[test]
fn kernel_parameters_are_the_hosts() {
    let mut host = plain();
    for (path, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv4/conf/all/arp_ignore", "2"),
        ("net/ipv4/conf/default/rp_filter", "2"),
        ("net/ipv4/conf/ens3/rp_filter", "1"),
        ("net/ipv4/conf/ens3/forwarding", "0"),
        ("net/ipv4/conf/gone0/rp_filter", "1"),
        ("net/ipv4/no_such_parameter", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv6/conf/ens3/accept_ra", "2"),
        ("../etc/passwd", "1"),
    ] {
        host.sysctls.insert(path.to_owned(), value.to_owned());
    }
    let stage = on_stage(&host, &[]);
    let value = |name: &str| {
        let line = format!("sysctl -n {name}");
        stage
            .server()
            .enter(|| tool(&line).trim().to_owned())
            .unwrap()
    };
    assert_eq!(value("net.ipv4.ip_forward"), "1");
    assert_eq!(value("net.ipv4.conf.all.arp_ignore"), "2");
    assert_eq!(value("net.ipv4.conf.spare0.rp_filter"), "2");
    assert_eq!(value("net.ipv4.conf.ens3.rp_filter"), "1");
    assert_eq!(value("net.ipv4.conf.ens3.forwarding"), "0");
    assert_eq!(value("net.ipv6.conf.ens3.forwarding"), "1");
    // Nothing configures itself.
    assert_eq!(value("net.ipv6.conf.ens3.accept_ra"), "0");
    assert_eq!(stage.limits(), [""; 0]);
}

#[test]
fn what_the_kernel_refuses_is_told() {
    let mut host = plain();
    // A gateway that is on no link of this host.
    host.routes
        .push(route("192.0.2.0/24", Some("10.1.2.3"), 2, 254));
    let outer = NetNs::scratch().unwrap();
    let build = || Stage::build(&host, &[], &BTreeSet::new()).unwrap();
    let stage = outer.enter(build).unwrap();
    let [limit] = stage.limits() else {
        panic!("{:?}", stage.limits());
    };
    assert!(limit.starts_with("route 192.0.2.0/24: "), "{limit}");
}

#[test]
fn of_many_interfaces_those_that_matter_are_there() {
    let mut many = host(vec![], vec![], vec![]);
    for index in 10..210 {
        many.links
            .insert(index, link(index, &format!("veth{index}")));
    }
    for index in 1000..1100 {
        let network = format!("10.{}.{}", index / 256, index % 256);
        many.links
            .insert(index, link(index, &format!("vlan{index}")));
        many.addresses
            .push(address(index, &format!("{network}.1/24")));
        let (gateway, table) = (
            format!("{network}.9"),
            u8::try_from(index % 200 + 1).unwrap(),
        );
        many.routes
            .push(route(&format!("{network}.0/24"), None, index, 254));
        many.routes
            .push(route("default", Some(&gateway), index, table));
    }
    many.routes
        .push(route("default", Some("10.3.232.9"), 1000, 254));
    let outer = NetNs::scratch().unwrap();
    let devices = BTreeSet::from(["veth209", "elsewhere9"].map(str::to_owned));
    let build = || Stage::build(&many, &[ip("203.0.113.9")], &devices).unwrap();
    let stage = outer.enter(build).unwrap();
    let names = |namespace: &NetNs| {
        namespace
            .enter(|| safe_apply::netns::interface_names().unwrap())
            .unwrap()
    };
    let here = names(stage.server());
    for name in ["veth10", "veth209", "vlan1000", "vlan1099", "elsewhere9"] {
        assert!(here.contains(name), "{name}");
    }
    assert!(!here.contains("veth205"));
    let wires = names(stage.world())
        .into_iter()
        .filter(|name| name.starts_with('w'));
    assert_eq!(wires.count(), 64);
    assert_eq!(stage.limits().len(), 2, "{:?}", stage.limits());
    assert_eq!(stage.wire_to(ip("203.0.113.9")).as_deref(), Some("w1000"));
    // One without a wire has its address all the same.
    let route = stage.server().enter(|| tool("ip route get 10.4.75.1"));
    assert!(route.unwrap().starts_with("local 10.4.75.1 dev lo"));
}

#[test]
fn rejections_are_told_every_time() {
    let stage = on_stage(&plain(), &["203.0.113.9", "2001:db8:9::9"]);
    nft(
        stage.server(),
        "table inet t {
           chain c {
             type filter hook input priority 0
             meta l4proto udp reject
           }
         }",
    );
    for (peer, server) in [
        ("203.0.113.9", "198.51.100.2"),
        ("2001:db8:9::9", "2001:db8::2"),
    ] {
        let probe = |port: u16| {
            let socket = UdpSocket::bind((peer, 0)).unwrap();
            socket.connect((server, port)).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            socket.send(b"?").unwrap();
            socket
        };
        let told = stage.world().enter(|| {
            let sockets: Vec<UdpSocket> = (1..100).map(probe).collect();
            let mut answers = sockets
                .iter()
                .map(|socket| socket.recv(&mut [0]).unwrap_err());
            answers.all(|answer| answer.kind() == std::io::ErrorKind::ConnectionRefused)
        });
        assert!(told.unwrap(), "{peer}");
    }
}
