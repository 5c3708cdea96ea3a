//! Two scratch network namespaces joined by wires: one that looks like this host, and the
//! world around it.
//!
//! In `server`, interfaces that are up and on a way to a peer are one end of a veth pair
//! each, with the host's name, index, hardware address, MTU and group; others are there by
//! name and index, with their addresses and with nothing plugged in. In `world`, gateways
//! and peers on a link are at the wire's other end, peers behind gateways are anywhere. ARP
//! and neighbour discovery are real, but give up after 300 ms. Nothing leads out of the two.
//!
//! All wires are Ethernet, also those of tunnels: there nothing is resolved.

mod addresses;
mod devices;
mod doubts;
mod furnish;
mod ipsec;
mod neighbours;
mod plan;
mod ready;
mod routes;
mod sysctl;
mod ways;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use rustix::io::Errno;

use self::plan::{Plan, Wire};
use self::ready::Events;
use self::sysctl::Failures;
use self::ways::{Way, Ways};
use self::world::World;
use super::host::Host;
use crate::netlink::{self, route::Rtnl};
use crate::netns::NetNs;

/// Why there is no stage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No namespace could be made: of kind `PermissionDenied` without the privilege.
    #[error("no network namespace to rehearse in: {0}")]
    Namespace(#[source] io::Error),
    /// The kernel cannot join namespaces.
    #[error("this kernel has no virtual Ethernet (veth) to rehearse with")]
    NoWires,
    /// The kernel did not do what was asked.
    #[error("the rehearsal cannot be set up: {what}: {source}")]
    Kernel {
        /// What was being made.
        what: &'static str,
        /// What the kernel said.
        source: netlink::Error,
    },
}

impl Error {
    fn of(what: &'static str) -> impl FnOnce(netlink::Error) -> Self {
        move |source| Self::Kernel { what, source }
    }
}

/// The two namespaces. They are gone with this value, or with the process.
#[derive(Debug)]
pub struct Stage {
    server: NetNs,
    world: NetNs,
    plan: Plan,
    ways: Ways,
    doubts: BTreeMap<(IpAddr, Option<IpAddr>), String>,
    false_macs: BTreeMap<IpAddr, String>,
    limits: Vec<String>,
}

impl Stage {
    /// Makes a stage that looks like `host`, with `peers` in the world, the most important
    /// first, and an interface of each name in `devices`, the names that the rules need.
    ///
    /// The calling thread has to be in the host's network namespace: what it says about the
    /// ways to the peers is compared with what the stage says.
    ///
    /// # Errors
    /// [`Error`]. What the kernel does not take of the host is no error, but one of
    /// [`Stage::limits`].
    pub fn build(host: &Host, peers: &[IpAddr], devices: &BTreeSet<String>) -> Result<Self, Error> {
        let peers = reachable(peers);
        let mut plan = Plan::new(host, &peers, devices);
        let mut limits = std::mem::take(&mut plan.notes);
        let server = NetNs::scratch().map_err(Error::Namespace)?;
        let world = NetNs::scratch().map_err(Error::Namespace)?;
        let mut inside = socket_in(&server).map_err(Error::of("the server"))?;
        let mut outside = socket_in(&world).map_err(Error::of("the world"))?;

        let set = |namespace: &NetNs, work: &(dyn Fn() -> Failures + Sync)| {
            namespace.enter(work).map_err(Error::Namespace)
        };
        let mut failures = set(&server, &|| sysctl::prepare_server(&host.sysctls))?;
        failures.add(set(&world, &sysctl::prepare_world)?);
        limits.extend(devices::make(&mut inside, &world, &mut plan)?);
        failures.add(set(&server, &|| {
            sysctl::finish_server(&host.sysctls, &plan)
        })?);
        limits.extend(failures.into_words());

        let hurried = neighbours::hurry(&mut inside, &mut outside, &plan);
        hurried.map_err(Error::of("neighbours"))?;
        let not_ready = "the wires do not come up";
        let hear =
            |namespace| Events::of(namespace).map_err(|errno| Error::of(not_ready)(errno.into()));
        let (at_server, at_world) = (hear(&server)?, hear(&world)?);
        devices::raise(&mut inside, &mut outside, &plan)?;
        limits.extend(addresses::put(&mut inside, host, &plan)?);
        let ready = at_server.await_ready(&mut inside, &plan.wires.keys().copied().collect());
        ready.map_err(Error::of(not_ready))?;
        limits.extend(routes::put_policies(&mut inside, host)?);
        limits.extend(routes::put(&mut inside, host, &plan, &peers)?);
        let ways = ways::explore(&mut inside, host, &peers).map_err(Error::of("routes"))?;
        let around = World::new(host, &plan, &ways, &peers);
        limits.extend(furnish::furnish(&mut outside, host, &plan, &around)?);
        let ends = plan.wires.values().map(|wire| wire.world_index);
        let ready = at_world.await_ready(&mut outside, &ends.collect());
        ready.map_err(Error::of(not_ready))?;
        if ipsec::is_used() {
            limits.push("IPsec policies of this host are not rehearsed".to_owned());
        }
        let mut doubts = BTreeMap::new();
        for (peer, of_peer) in &ways {
            for (from, way) in of_peer {
                let pair = (*peer, *from);
                let found = doubts::doubt(host, &plan, devices, pair, way);
                doubts.extend(found.map(|found| (pair, found)));
            }
        }
        Ok(Self {
            server,
            world,
            doubts,
            false_macs: around.false_macs,
            plan,
            ways,
            limits,
        })
    }

    /// The namespace that looks like the host.
    #[must_use]
    pub const fn server(&self) -> &NetNs {
        &self.server
    }

    /// The namespace of everybody else.
    #[must_use]
    pub const fn world(&self) -> &NetNs {
        &self.world
    }

    /// The interface of the world by which packets of `peer` come to the host: that by which
    /// the host would answer. `None` where there is none, as for the host's own addresses.
    #[must_use]
    pub fn wire_to(&self, peer: IpAddr) -> Option<String> {
        let mut of_peer = self.ways.get(&peer.to_canonical())?.values();
        Some(of_peer.find_map(|way| self.wire(way))?.world_name.clone())
    }

    /// As [`Stage::wire_to`], for packets to `local`, an address of the host: policy routing
    /// may send answers from it another way.
    #[must_use]
    pub fn wire_between(&self, peer: IpAddr, local: IpAddr) -> Option<String> {
        let (peer, local) = (peer.to_canonical(), local.to_canonical());
        match self.ways.get(&peer)?.get(&Some(local)) {
            Some(way) => Some(self.wire(way)?.world_name.clone()),
            None => self.wire_to(peer),
        }
    }

    /// The host's interface (`ifi_index`) at the other end of the wire `name` of the world.
    #[must_use]
    pub fn link_of(&self, name: &str) -> Option<u32> {
        let mut wires = self.plan.wires.values();
        Some(wires.find(|wire| wire.world_name == name)?.index)
    }

    fn wire(&self, way: &Way) -> Option<&Wire> {
        self.plan.wires.get(&way.here.as_ref().ok()?.link)
    }

    /// Why packets to and from `peer` cannot be rehearsed faithfully, whichever address of
    /// the host they are for or from; `None` if they can.
    #[must_use]
    pub fn doubt(&self, peer: IpAddr) -> Option<String> {
        let peer = peer.to_canonical();
        let Some(of_peer) = self.ways.get(&peer) else {
            let reason = || format!("{peer} has no place in the rehearsal");
            return (!peer.is_loopback()).then(reason);
        };
        let mut pairs = of_peer.keys().map(|from| (peer, *from));
        pairs.find_map(|pair| self.doubts.get(&pair).cloned())
    }

    /// As [`Stage::doubt`], for packets between `peer` and `local`, an address of the host.
    #[must_use]
    pub fn doubt_between(&self, peer: IpAddr, local: IpAddr) -> Option<String> {
        let (peer, local) = (peer.to_canonical(), local.to_canonical());
        let of_peer = self.ways.get(&peer);
        match of_peer.is_some_and(|of_peer| of_peer.contains_key(&Some(local))) {
            true => self.doubts.get(&(peer, Some(local))).cloned(),
            false => self.doubt(peer),
        }
    }

    /// Why packets of `peer` do not come with the hardware address that they have on this
    /// host; it matters only to rules that look at it.
    #[must_use]
    pub fn false_mac(&self, peer: IpAddr) -> Option<&str> {
        self.false_macs
            .get(&peer.to_canonical())
            .map(String::as_str)
    }

    /// In words, what is not as on the host.
    #[must_use]
    pub fn limits(&self) -> &[String] {
        &self.limits
    }

    /// Forgets all neighbours on both sides: they have to be found again, under the rules
    /// that are there now.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn forget_neighbours(&self) -> Result<(), netlink::Error> {
        neighbours::forget(&self.server)?;
        neighbours::forget(&self.world)
    }
}

/// A socket in `namespace`.
fn socket_in(namespace: &NetNs) -> Result<Rtnl, netlink::Error> {
    let opened = namespace.enter(Rtnl::here);
    opened.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?
}

/// Peers that can be somewhere in the world, each once; IPv4 within IPv6 is IPv4.
fn reachable(peers: &[IpAddr]) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for peer in peers.iter().map(IpAddr::to_canonical) {
        let nowhere = peer.is_loopback() || peer.is_unspecified() || peer.is_multicast();
        if !nowhere && !found.contains(&peer) {
            found.push(peer);
        }
    }
    found
}
