//! What is read of a host, in namespaces that are built for it.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are not seen as tests

use std::collections::BTreeSet;
use std::net::IpAddr;

use safe_apply::exec::Run;
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::host::{Address, Host, Link};

#[path = "rehearsal_host/listening.rs"]
mod listening;
#[path = "rehearsal_host/paths.rs"]
mod paths;
#[path = "rehearsal_host/routes.rs"]
mod routes;

const LOOPBACK: &str = "link set lo up";
/// Two interfaces: `out0` and its other end, which stands for the neighbourhood.
const NETWORK: &str = "link set lo up
    link add out0 index 7 mtu 1400 address 02:00:00:00:00:07 group 42 type veth peer name far0 address 02:00:00:00:00:08
    link set far0 up
    addr add 192.0.2.2/24 dev out0
    addr add 2001:db8::2/64 dev out0 nodad
    link set out0 up";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Runs lines of `ip -batch` in the calling thread's network namespace; those that begin
/// with `-6` come last.
fn batch(lines: &str) {
    let lines = lines.lines().map(str::trim);
    let (v6, others): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("-6 "));
    for (family, lines) in [(None, others), (Some("-6"), v6)] {
        let plain: Vec<_> = lines
            .iter()
            .map(|line| line.trim_start_matches("-6 "))
            .collect();
        let options = family.into_iter().chain(["-batch", "-"]);
        let run = Run::tool("ip").unwrap().args(options);
        run.stdin(plain.join("\n")).success().unwrap();
    }
}

/// A namespace that `lines` were run in.
fn namespace(lines: &str) -> NetNs {
    let namespace = NetNs::scratch().unwrap();
    let build = || {
        // Addresses that IPv6 makes itself are good at once.
        set("net/ipv6/conf/default/accept_dad", "0");
        batch(lines);
    };
    namespace.enter(build).unwrap();
    namespace
}

fn read(namespace: &NetNs) -> Host {
    namespace.enter(|| Host::read().unwrap()).unwrap()
}

fn host(lines: &str) -> Host {
    read(&namespace(lines))
}

fn set(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/{name}"), value).unwrap();
}

#[test]
fn interfaces_are_read_whole() {
    let host = host(&format!(
        "{NETWORK}\nlink add br0 index 9 type bridge\nlink set far0 master br0\nlink set br0 down"
    ));
    let names: BTreeSet<_> = host.links.values().map(|link| link.name.as_str()).collect();
    assert!(
        names.is_superset(&["lo", "out0", "far0", "br0"].into()),
        "{names:?}"
    );
    let expected = Link {
        index: 7,
        name: "out0".to_owned(),
        up: true,
        hardware: 1,
        mac: Some([2, 0, 0, 0, 0, 7]),
        mtu: 1400,
        group: 42,
        kind: Some("veth".to_owned()),
        master: None,
    };
    assert_eq!(host.links[&7], expected);
    let bridge = &host.links[&9];
    assert_eq!((bridge.kind.as_deref(), bridge.up), (Some("bridge"), false));
    let port = host.links.values().find(|link| link.name == "far0");
    assert_eq!(port.unwrap().master, Some(9));
    let loopback = &host.links[&1];
    assert_eq!(
        (loopback.hardware, loopback.mac, loopback.up),
        (772, None, true)
    );
    assert_eq!(loopback.kind, None);
}

#[test]
fn addresses_are_read_with_their_other_ends() {
    let host = host(&format!(
        "{NETWORK}
        addr add 198.51.100.1 peer 198.51.100.9/32 dev out0
        addr add 2001:db8:1::1 peer 2001:db8:1::9/128 dev out0 nodad
        addr add 192.0.2.3/24 dev out0
        addr add 203.0.113.5/32 dev lo scope host
        addr add 10.9.0.1/16 dev lo"
    ));
    let of = |text: &str| {
        let found = host.addresses.iter().find(|one| one.ip == ip(text));
        found.unwrap_or_else(|| panic!("{text} in {:?}", host.addresses))
    };
    let first = Address {
        link: 7,
        ip: ip("192.0.2.2"),
        prefix: 24,
        peer: None,
        scope: 0,
        flags: 0x80, // IFA_F_PERMANENT
    };
    assert_eq!(of("192.0.2.2"), &first);
    let secondary = of("192.0.2.3").flags & 1; // IFA_F_SECONDARY
    assert_eq!(secondary, 1);
    let v4 = of("198.51.100.1");
    assert_eq!((v4.peer, v4.prefix), (Some(ip("198.51.100.9")), 32));
    let v6 = of("2001:db8:1::1");
    assert_eq!((v6.peer, v6.prefix), (Some(ip("2001:db8:1::9")), 128));
    // The flag does not fit into the eight bits of the header: IFA_F_NOPREFIXROUTE and others may.
    assert_eq!(of("2001:db8::2").flags & 0x2, 0x2); // IFA_F_NODAD
    assert_eq!((of("203.0.113.5").link, of("203.0.113.5").scope), (1, 254));
    let of_link = |link| host.addresses.iter().filter(move |one| one.link == link);
    let link_local = of_link(7).find(|one| one.scope == 253).unwrap();
    assert_eq!(link_local.prefix, 64);
    assert_eq!(of_link(1).count(), 4);
    for local in [
        "192.0.2.2",
        "127.44.0.1",
        "::1",
        "10.9.200.1",
        "::ffff:192.0.2.2",
    ] {
        assert!(host.is_local(ip(local)), "{local}");
    }
    for other in [
        "192.0.2.4",
        "198.51.100.9",
        "2001:db8:1::9",
        "10.10.0.1",
        "203.0.113.4",
    ] {
        assert!(!host.is_local(ip(other)), "{other}");
    }
}

#[test]
fn neighbours_are_those_whose_address_is_known() {
    let host = host(&format!(
        "{NETWORK}
        neigh add 192.0.2.10 lladdr 02:00:00:00:00:10 dev out0 nud permanent
        neigh add 192.0.2.11 lladdr 02:00:00:00:00:11 dev out0 nud stale
        neigh add 192.0.2.12 dev out0 nud failed
        neigh add 2001:db8::10 lladdr 02:00:00:00:00:20 dev out0 nud reachable"
    ));
    let on_wire = host.neighbours.iter().filter(|one| one.link == 7);
    let known: BTreeSet<_> = on_wire.map(|one| (one.ip, one.mac[5])).collect();
    let expected = [
        ("192.0.2.10", 0x10),
        ("192.0.2.11", 0x11),
        ("2001:db8::10", 0x20),
    ];
    assert_eq!(known, expected.map(|(text, last)| (ip(text), last)).into());
}

#[test]
fn sysctls_are_those_of_the_threads_namespace() {
    let other = namespace("link add name.with.dots type veth peer name b0");
    let namespace = namespace(NETWORK);
    let change = || {
        set("net/ipv4/conf/out0/rp_filter", "2");
        set("net/ipv4/conf/all/arp_ignore", "1");
        set("net/ipv6/conf/out0/disable_ipv6", "1");
        set("net/ipv4/ip_local_port_range", "20000 30000");
        set("net/netfilter/nf_conntrack_tcp_loose", "0");
    };
    namespace.enter(change).unwrap();
    let host = read(&namespace);
    let value = |host: &Host, name: &str| host.sysctls.get(name).cloned();
    let is = |host: &Host, name: &str, wanted: &str| {
        assert_eq!(value(host, name).as_deref(), Some(wanted), "{name}");
    };
    is(&host, "net/ipv4/conf/out0/rp_filter", "2");
    is(&host, "net/ipv4/conf/all/arp_ignore", "1");
    is(&host, "net/ipv6/conf/out0/disable_ipv6", "1");
    is(&host, "net/ipv4/ip_local_port_range", "20000\t30000");
    is(&host, "net/netfilter/nf_conntrack_tcp_loose", "0");
    is(&host, "net/ipv4/conf/lo/route_localnet", "0");
    assert_eq!(value(&host, "net/ipv4/conf/b0/rp_filter"), None);
    let other = read(&other);
    is(&other, "net/ipv4/conf/all/arp_ignore", "0");
    is(&other, "net/ipv4/ip_local_port_range", "32768\t60999");
    is(&other, "net/netfilter/nf_conntrack_tcp_loose", "1");
    is(&other, "net/ipv4/conf/name.with.dots/route_localnet", "0");
    assert_eq!(value(&other, "net/ipv4/conf/out0/rp_filter"), None);
}

#[test]
fn an_empty_namespace_has_little() {
    let host = read(&NetNs::scratch().unwrap());
    assert!(
        host.links
            .values()
            .any(|link| link.name == "lo" && !link.up)
    );
    assert!(host.addresses.is_empty() && host.routes.is_empty() && host.policies.is_empty());
    assert!(host.neighbours.is_empty() && host.listening.is_empty());
    assert!(!host.is_local(ip("127.0.0.1")));
    assert!(host.sysctls.contains_key("net/ipv4/conf/default/rp_filter"));
    assert_eq!(host.left_out, Vec::<String>::new());
}
