//! Whom the host knows, and at which wire of the world each of them is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use super::plan::{Plan, Wire, invented_mac};
use super::ways::{Ways, is_link_local};
use crate::netlink::address::{full_prefix, same_prefix};
use crate::netlink::hop::{Hop, hops};
use crate::rehearsal::host::{Address, Host};

/// How many gateways that no peer is behind are put at one wire.
const MOST_GATEWAYS: usize = 64;

/// What is at the other end of one wire.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The next hops to peers, those of the first peers first, then those of other routes.
    gateways: Vec<IpAddr>,
    /// Peers on the link.
    near: Vec<IpAddr>,
    /// Whether packets are expected on it.
    pub(super) expected: bool,
    /// The hardware address, as far as neighbours tell.
    mac: Option<[u8; 6]>,
}

/// Everybody but the host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    /// By the index of the host's interface.
    pub(super) ends: BTreeMap<u32, End>,
    /// Peers behind gateways: they are on no wire, so nobody asks for neighbours in their name.
    pub(super) far: BTreeSet<IpAddr>,
    /// Why the hardware address that a peer's packets come with is not the right one.
    pub(super) false_macs: BTreeMap<IpAddr, String>,
}

impl World {
    /// Places `peers`, which are in order of importance, and the gateways of all routes.
    pub(super) fn new(host: &Host, plan: &Plan, ways: &Ways, peers: &[IpAddr]) -> Self {
        let mut world = Self::default();
        for peer in peers {
            let of_peer = ways.get(peer).into_iter().flatten();
            let mut hops: Vec<Hop> = Vec::new();
            for path in of_peer.filter_map(|(_, way)| way.here.as_ref().ok()) {
                let hop = Hop {
                    link: path.link,
                    gateway: path.gateway,
                };
                if !hops.contains(&hop) {
                    hops.push(hop);
                }
            }
            for hop in hops {
                if let Some(wire) = plan.wires.get(&hop.link) {
                    world.place(host, wire, *peer, hop);
                }
            }
        }
        for hop in host.routes.iter().flat_map(|route| hops(&route.raw)) {
            if let Some(gateway) = hop.gateway {
                let end = world.ends.entry(hop.link).or_default();
                if end.gateways.len() < MOST_GATEWAYS && !end.gateways.contains(&gateway) {
                    end.gateways.push(gateway);
                }
            }
        }
        world
    }

    fn place(&mut self, host: &Host, wire: &Wire, peer: IpAddr, hop: Hop) {
        let end = self.ends.entry(hop.link).or_default();
        end.expected = true;
        let next = hop.gateway.unwrap_or(peer);
        let list = match hop.gateway {
            Some(_) => &mut end.gateways,
            None => &mut end.near,
        };
        if !list.contains(&next) {
            list.push(next);
        }
        if hop.gateway.is_some() {
            self.far.insert(peer);
        }
        if !wire.resolves {
            return;
        }
        let reason = match (mac_of(host, hop.link, next), end.mac) {
            (Some(mac), None) => {
                end.mac = Some(mac);
                return;
            }
            (Some(mac), Some(other)) if mac == other => return,
            (Some(_), Some(_)) => format!("{next} has the hardware address of another neighbour"),
            (None, _) => format!("the hardware address of {next} is not known"),
        };
        self.false_macs.entry(peer).or_insert(reason);
    }

    /// Peers behind gateways, without addresses that are the host's own.
    pub(super) fn far<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = IpAddr> + 'a {
        let own = |ip: &IpAddr| host.addresses.iter().any(|own| own.ip == *ip);
        self.far.iter().copied().filter(move |ip| !own(ip))
    }
}

impl End {
    /// The hardware address of the wire's end in the world.
    pub(super) fn mac(&self, host: &Host, wire: &Wire) -> [u8; 6] {
        // Without resolution a packet carries its sender's address as the receiver's.
        if !wire.resolves {
            return wire.mac;
        }
        let of_gateway = || {
            let mut gateways = self.gateways.iter();
            gateways.find_map(|gateway| mac_of(host, wire.index, *gateway))
        };
        self.mac
            .or_else(of_gateway)
            .filter(|mac| *mac != wire.mac)
            .unwrap_or_else(|| invented_mac(1, wire.index))
    }

    /// The addresses on the wire's end with the lengths of their prefixes, gateways first:
    /// the first of a network asks for neighbours there.
    pub(super) fn addresses(&self, host: &Host, wire: &Wire) -> Vec<(IpAddr, u8)> {
        let own: Vec<&Address> = host
            .addresses
            .iter()
            .filter(|own| own.link == wire.index)
            .collect();
        let elsewhere =
            |ip: IpAddr| !is_link_local(ip) && host.addresses.iter().any(|own| own.ip == ip);
        let all = self.gateways.iter().chain(&self.near).copied();
        let mut found: Vec<(IpAddr, u8)> = all
            .filter(|ip| !own.iter().any(|own| own.ip == *ip) && !elsewhere(*ip))
            .map(|ip| (ip, prefix_on(&own, ip)))
            .collect();
        // Neighbours are asked for with a link-local address.
        let v6 = own.iter().any(|own| own.ip.is_ipv6());
        if v6 && !found.iter().any(|(ip, _)| is_link_local(*ip)) {
            let invented = link_local(self.mac(host, wire));
            if !own.iter().any(|own| own.ip == invented) {
                found.push((invented, 64));
            }
        }
        found
    }
}

/// The prefix of the host's address that `ip` is in the network of.
fn prefix_on(own: &[&Address], ip: IpAddr) -> u8 {
    if is_link_local(ip) {
        return 64;
    }
    let covers = |own: &&&Address| same_prefix(own.peer.unwrap_or(own.ip), ip, own.prefix);
    let full = full_prefix(ip);
    own.iter().find(covers).map_or(full, |own| own.prefix)
}

fn mac_of(host: &Host, link: u32, ip: IpAddr) -> Option<[u8; 6]> {
    let mut known = host.neighbours.iter();
    let found = known.find(|one| one.link == link && one.ip == ip)?;
    // A multicast address is nobody's.
    (found.mac[0] & 1 == 0).then_some(found.mac)
}

/// The address that an interface gives itself (RFC 4291, appendix A).
fn link_local(mac: [u8; 6]) -> IpAddr {
    let [a, b, c, d, e, f] = mac;
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[0xfe, 0x80]);
    bytes[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from(bytes).into()
}
