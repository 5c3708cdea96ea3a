//! Which of the host's interfaces become what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::ways::link_of;
use crate::netlink::address::same_prefix;
use crate::rehearsal::host::{Host, Link, Route};

/// How many interfaces get a wire to the world.
const MOST_WIRES: usize = 64;
/// How many interfaces without addresses and routes are made for their names alone.
const MOST_NAMES: usize = 64;
/// `lo` is interface 1 of every namespace.
pub(super) const LOOPBACK: u32 = 1;
/// `ARPHRD_*` of those that resolve addresses: Ethernet, IEEE 802, IEEE 1394, InfiniBand.
const RESOLVING: [u16; 4] = [1, 6, 24, 32];
const MIN_MTU: u32 = 68;
const MAX_MTU: u32 = 65_535;

/// An interface that is joined to the world by a veth pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wire {
    /// Index on the host and in the server namespace.
    pub(super) index: u32,
    /// The name of that end.
    pub(super) name: String,
    /// Index of the end in the world.
    pub(super) world_index: u32,
    /// The name of the end in the world.
    pub(super) world_name: String,
    /// The hardware address of the server's end.
    pub(super) mac: [u8; 6],
    /// In bytes.
    pub(super) mtu: u32,
    /// `IFLA_GROUP`.
    pub(super) group: u32,
    /// Whether neighbours are resolved; tunnels have nothing to resolve.
    pub(super) resolves: bool,
}

/// An interface that is there by name only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Idle {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) group: u32,
}

/// What becomes of the host's interfaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) wires: BTreeMap<u32, Wire>,
    pub(super) idle: BTreeMap<u32, Idle>,
    /// In words, what is not as on the host.
    pub(super) notes: Vec<String>,
}

impl Plan {
    /// Wires for what is up and on a way to `peers`; all else that has addresses or routes,
    /// or a name in `devices`, has nothing plugged in.
    pub(super) fn new(host: &Host, peers: &[IpAddr], devices: &BTreeSet<String>) -> Self {
        let used = used(host);
        let ways = on_the_way(host, peers);
        let mut wired: Vec<&Link> = Vec::new();
        let mut names: Vec<&Link> = Vec::new();
        let mut known: BTreeSet<&str> = BTreeSet::from(["lo"]);
        for link in host.links.values() {
            if link.index == LOOPBACK || link.name == "lo" {
                continue;
            }
            known.insert(&link.name);
            match link.up && ways.contains(&link.index) && !is_port(host, link) {
                true => wired.push(link),
                false => names.push(link),
            }
        }
        let mut plan = Self::default();
        if wired.len() > MOST_WIRES {
            plan.notes.push(format!(
                "packets can leave by {} interfaces: only {MOST_WIRES} are part of the rehearsal",
                wired.len()
            ));
            names.extend(wired.drain(MOST_WIRES..));
        }
        let highest = host.links.keys().max().copied().unwrap_or(LOOPBACK);
        let mut free = highest.saturating_add(1)..i32::MAX.unsigned_abs();
        for link in wired {
            // Never the index of the other end: the kernel takes a pair with equal ones for
            // plain interfaces and is slow to tell that they are up (`linkwatch_urgent_event`).
            let Some(world_index) = free.next() else {
                break;
            };
            plan.wires.insert(link.index, Wire::of(link, world_index));
        }
        plan.add_names(names, &used, devices);
        let strangers = devices.iter().filter(|name| !known.contains(name.as_str()));
        for (name, index) in strangers.zip(free) {
            let name = name.clone();
            let idle = Idle {
                index,
                name,
                up: false,
                group: 0,
            };
            plan.idle.insert(index, idle);
        }
        plan
    }

    /// Interfaces that are there by name; of those without addresses and routes not all.
    fn add_names(&mut self, names: Vec<&Link>, used: &BTreeSet<u32>, devices: &BTreeSet<String>) {
        let mut room = MOST_NAMES;
        let mut left_out = 0;
        for link in names {
            if !used.contains(&link.index) && !devices.contains(&link.name) {
                if room == 0 {
                    left_out += 1;
                    continue;
                }
                room -= 1;
            }
            let idle = Idle {
                index: link.index,
                name: link.name.clone(),
                up: link.up,
                group: link.group,
            };
            self.idle.insert(link.index, idle);
        }
        if left_out > 0 {
            self.notes.push(format!(
                "{left_out} interfaces without addresses and routes are left out"
            ));
        }
    }

    /// Does without an interface; its name.
    pub(super) fn remove(&mut self, index: u32) -> Option<String> {
        let wire = self.wires.remove(&index).map(|wire| wire.name);
        wire.or_else(|| Some(self.idle.remove(&index)?.name))
    }

    /// Whether there is an interface with this index in the server namespace.
    pub(super) fn has(&self, index: u32) -> bool {
        index == LOOPBACK || self.wires.contains_key(&index) || self.idle.contains_key(&index)
    }
}

impl Wire {
    fn of(link: &Link, world_index: u32) -> Self {
        Self {
            index: link.index,
            name: link.name.clone(),
            world_index,
            world_name: format!("w{}", link.index),
            mac: link.mac.unwrap_or_else(|| invented_mac(0, link.index)),
            mtu: link.mtu.clamp(MIN_MTU, MAX_MTU),
            group: link.group,
            resolves: RESOLVING.contains(&link.hardware),
        }
    }
}

/// A locally administered hardware address; `side` keeps the two ends of a wire apart.
pub(super) fn invented_mac(side: u8, index: u32) -> [u8; 6] {
    let [a, b, c, d] = index.to_be_bytes();
    [0x02, 0x5a ^ side, a, b, c, d]
}

/// Interfaces with addresses or routes.
fn used(host: &Host) -> BTreeSet<u32> {
    let routed = host.routes.iter().flat_map(|route| &route.links);
    let addressed = host.addresses.iter().map(|address| &address.link);
    routed.chain(addressed).copied().collect()
}

/// Whether packets come in by the interface that this one is a port of. Ports of a VRF keep
/// their addresses.
fn is_port(host: &Host, link: &Link) -> bool {
    let master = link.master.and_then(|index| host.links.get(&index));
    master.is_some_and(|master| master.kind.as_deref() != Some("vrf"))
}

/// Interfaces by which the kernel may decide to send packets to a peer: of default routes in
/// whatever table, of routes that cover a peer, of links that it was seen on.
fn on_the_way(host: &Host, peers: &[IpAddr]) -> BTreeSet<u32> {
    let leads = |route: &&Route| match route.destination {
        None => true,
        Some((network, prefix)) => peers.iter().any(|peer| same_prefix(*peer, network, prefix)),
    };
    let routes = host.routes.iter().filter(leads);
    let routed = routes.flat_map(|route| route.links.iter().copied());
    let near = peers.iter().filter_map(|peer| link_of(host, *peer));
    routed.chain(near).collect()
}
