//! Why packets cannot be rehearsed faithfully.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::plan::{LOOPBACK, Plan};
use super::ways::{Answer, Way, is_link_local};
use crate::rehearsal::host::{Host, Link};

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
        Answer::Path(path) => path,
        Answer::Refused(errno) => {
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
    let port = host
        .links
        .values()
        .find(|port| devices.contains(&port.name) && is_below(host, port, path.link))?;
    Some(format!(
        "rules look at packets on {}, and packets to {name} do not pass it in the rehearsal",
        port.name
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

fn words(host: &Host, answer: &Answer) -> String {
    match answer {
        Answer::Refused(_) => "by no interface".to_owned(),
        Answer::Path(path) => {
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
