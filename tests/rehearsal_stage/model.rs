//! Hand-made hosts.

use std::net::IpAddr;

use safe_apply::netlink::Builder;
use safe_apply::rehearsal::host::{Address, Host, Link, Neighbour, Route};

pub const GATEWAY_MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> (IpAddr, u8) {
    let (address, prefix) = text.split_once('/').unwrap();
    (ip(address), prefix.parse().unwrap())
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub fn lo() -> Link {
    Link {
        hardware: 772,
        mac: None,
        mtu: 65_536,
        ..link(1, "lo")
    }
}

/// An Ethernet interface that is up.
pub fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        up: true,
        hardware: 1,
        mac: Some([0x52, 0x54, 0xff, 0, 0, index.to_le_bytes()[0]]),
        mtu: 1500,
        group: 0,
        kind: None,
        master: None,
    }
}

pub fn address(link: u32, text: &str) -> Address {
    let (ip, prefix) = net(text);
    let local = text.starts_with("fe80");
    Address {
        link,
        ip,
        prefix,
        peer: None,
        scope: if local { 253 } else { 0 },
        flags: 0,
    }
}

/// What `ip route` is told: `default`, or a network; by a gateway or on the link.
pub fn route(to: &str, gateway: Option<&str>, link: u32, table: u8) -> Route {
    let gateway = gateway.map(ip);
    let v6 = to.contains(':') || (to == "default" && gateway.is_some_and(|one| one.is_ipv6()));
    let destination = (to != "default").then(|| net(to));
    let scope = if gateway.is_some() || v6 { 0 } else { 253 };
    let mut raw = Builder::new();
    let prefix = destination.map_or(0, |one| one.1);
    // Flag 16 is RTNH_F_LINKDOWN: the state of that moment, which no one can set.
    raw.append(&[
        if v6 { 10 } else { 2 },
        prefix,
        0,
        0,
        table,
        3,
        scope,
        1,
        16,
        0,
        0,
        0,
    ]);
    raw.put(15, &u32::from(table).to_ne_bytes());
    if let Some((network, _)) = destination {
        raw.put(1, &octets(network));
    }
    if let Some(gateway) = gateway {
        raw.put(5, &octets(gateway));
    }
    raw.put(4, &link.to_ne_bytes());
    // RTA_CACHEINFO, which is of that moment as well.
    raw.put(12, &[0; 32]);
    Route {
        raw: raw.as_bytes().to_vec(),
        table: u32::from(table),
        protocol: 3,
        destination,
        v6,
        links: vec![link],
        gateways: gateway.into_iter().collect(),
    }
}

/// `ip rule add from ADDRESS lookup TABLE pref 100`, as the kernel tells it.
pub fn policy(from: &str, table: u8) -> Vec<u8> {
    let mut raw = Builder::new();
    raw.append(&[2, 0, 32, 0, table, 0, 0, 1, 0, 0, 0, 0]);
    raw.put(2, &octets(ip(from)));
    raw.put(6, &100_u32.to_ne_bytes());
    raw.put(15, &u32::from(table).to_ne_bytes());
    raw.put(14, &u32::MAX.to_ne_bytes());
    raw.as_bytes().to_vec()
}

pub fn neighbour(link: u32, text: &str, mac: [u8; 6]) -> Neighbour {
    Neighbour {
        link,
        ip: ip(text),
        mac,
    }
}

pub fn host(links: Vec<Link>, addresses: Vec<Address>, routes: Vec<Route>) -> Host {
    let links = links.into_iter().chain([lo()]);
    Host {
        links: links.map(|link| (link.index, link)).collect(),
        addresses,
        routes,
        ..Host::default()
    }
}

/// One interface, IPv4 and IPv6, everybody else behind the gateways.
pub fn plain() -> Host {
    let mut host = host(
        vec![
            link(2, "ens3"),
            Link {
                up: false,
                ..link(7, "spare0")
            },
        ],
        vec![
            address(2, "198.51.100.2/24"),
            address(2, "2001:db8::2/64"),
            address(2, "fe80::5054:ff:fe00:2/64"),
        ],
        vec![
            route("default", Some("198.51.100.1"), 2, 254),
            route("198.51.100.0/24", None, 2, 254),
            route("default", Some("fe80::1"), 2, 254),
            route("2001:db8::/64", None, 2, 254),
            route("fe80::/64", None, 2, 254),
        ],
    );
    host.neighbours = vec![
        neighbour(2, "198.51.100.1", GATEWAY_MAC),
        neighbour(2, "fe80::1", GATEWAY_MAC),
    ];
    host
}

/// `host` as commands that make it, in a namespace that has nothing yet.
pub fn commands(host: &Host) -> Vec<String> {
    let name = |index: &u32| host.links[index].name.clone();
    let mut lines = vec!["ip link set lo up".to_owned()];
    for link in host.links.values().filter(|link| link.name != "lo") {
        let (name, index) = (&link.name, link.index);
        if link.up {
            let other = index + 1_000_000;
            lines.push(format!(
                "ip link add {name} index {index} type veth peer name p{index} index {other}"
            ));
            for end in [format!("p{index}"), name.clone()] {
                lines.push(format!("ip link set {end} addrgenmode none"));
                lines.push(format!("ip link set {end} up"));
            }
        } else {
            lines.push(format!("ip link add {name} index {index} type bridge"));
        }
    }
    for one in &host.addresses {
        let (ip, prefix, dev) = (one.ip, one.prefix, name(&one.link));
        lines.push(format!(
            "ip addr add {ip}/{prefix} dev {dev} noprefixroute nodad"
        ));
    }
    // On-link routes first.
    let mut routes: Vec<_> = host.routes.iter().collect();
    routes.sort_by_key(|route| !route.gateways.is_empty());
    for route in routes {
        let to = route
            .destination
            .map_or("default".to_owned(), |(ip, prefix)| {
                format!("{ip}/{prefix}")
            });
        let via = route
            .gateways
            .first()
            .map_or(String::new(), |ip| format!("via {ip}"));
        let family = if route.v6 { "-6" } else { "-4" };
        let (dev, table) = (name(&route.links[0]), route.table);
        lines.push(format!(
            "ip {family} route add {to} {via} dev {dev} table {table}"
        ));
    }
    lines
}
