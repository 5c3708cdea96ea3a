//! Why packets cannot be rehearsed faithfully.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustix::io::Errno;

use super::plan::{LOOPBACK, Plan};
use super::ways::{Way, is_link_local};
use crate::rehearsal::host::{Host, Link, Path};

/// `IFLA_INFO_KIND` of what is carried in other packets, which may pass the same rules.
const TUNNELS: &[&str] = &[
    "amt",
    "bareudp",
    "erspan",
    "fou",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "ovpn",
    "ppp",
    "sit",
    "tun",
    "vti",
    "vti6",
    "vxlan",
    "wireguard",
    "xfrm",
];
/// `IFLA_INFO_KIND` of what shares another interface.
const STACKED: &[&str] = &["hsr", "ipvlan", "ipvtap", "macsec", "macvlan", "vlan"];

/// Why packets to `peer` that come from `from` (`None`: the kernel's choice) and their
/// answers cannot be; `None` if they can. `devices` are the names that the rules need.
pub(super) fn doubt(
    host: &Host,
    plan: &Plan,
    devices: &BTreeSet<String>,
    (peer, from): (IpAddr, Option<IpAddr>),
    way: &Way,
) -> Option<String> {
    if way.here != way.host {
        let from = from.map_or(String::new(), |from| format!(" from {from}"));
        let [here, there] = [&way.here, &way.host].map(|answer| words(host, answer));
        return Some(format!(
            "packets{from} to {peer} leave {there} on this host, but {here} in the rehearsal"
        ));
    }
    let path = match &way.here {
        Ok(path) => path,
        Err(errno) => {
            let reason = std::io::Error::from(*errno);
            return Some(format!("this host has no way to {peer}: {reason}"));
        }
    };
    if path.link == LOOPBACK {
        return None;
    }
    let name = name(host, path.link);
    if !plan.wires.contains_key(&path.link) {
        return Some(format!(
            "{name}, the interface to {peer}, is not part of the rehearsal"
        ));
    }
    if is_link_local(peer) && !is_seen(host, peer) && !only_one_has_link_local(host, path.link) {
        return Some(format!("it is not known which interface {peer} is behind"));
    }
    let link = host.links.get(&path.link)?;
    let master = link.master.and_then(|index| host.links.get(&index));
    if let Some(vrf) = master.filter(|master| master.kind.as_deref() == Some("vrf")) {
        return Some(format!(
            "{name} belongs to {}, and VRFs are not rehearsed",
            vrf.name
        ));
    }
    let kind = link.kind.as_deref().unwrap_or("");
    if TUNNELS.contains(&kind) {
        return Some(format!(
            "packets to {peer} go through {name}: whether what carries them gets through is not rehearsed"
        ));
    }
    // Which interface one is stacked on is not known.
    let below = |other: &&Link| {
        let stacked = STACKED.contains(&kind) && other.index != path.link;
        devices.contains(&other.name) && (stacked || is_below(host, other, path.link))
    };
    let other = host.links.values().find(below)?;
    Some(format!(
        "rules look at packets on {}, and packets to {name} do not pass it in the rehearsal",
        other.name
    ))
}

/// Whether `port` is a port of `link`, at whatever depth.
fn is_below(host: &Host, port: &Link, link: u32) -> bool {
    let mut masters = BTreeSet::new();
    let mut next = port.master;
    while let Some(master) = next {
        if master == link {
            return true;
        }
        // A ring would never end.
        if !masters.insert(master) {
            return false;
        }
        next = host.links.get(&master).and_then(|master| master.master);
    }
    false
}

fn is_seen(host: &Host, peer: IpAddr) -> bool {
    let links = host
        .neighbours
        .iter()
        .filter(|one| one.ip == peer)
        .map(|one| one.link);
    links.collect::<BTreeSet<u32>>().len() == 1
}

fn only_one_has_link_local(host: &Host, link: u32) -> bool {
    let mut all = host.addresses.iter().filter(|own| is_link_local(own.ip));
    all.all(|own| own.link == link)
}

fn name(host: &Host, index: u32) -> String {
    let link = host.links.get(&index);
    link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
}

fn words(host: &Host, answer: &Result<Path, Errno>) -> String {
    match answer {
        Err(_) => "by no interface".to_owned(),
        Ok(path) => {
            let by = name(host, path.link);
            let via = path
                .gateway
                .map_or(String::new(), |ip| format!(" via {ip}"));
            let source = path
                .source
                .map_or(String::new(), |ip| format!(" with source {ip}"));
            format!("by {by}{via}{source}")
        }
    }
}
