//! Makes the interfaces of a stage (`linux/if_link.h`, `linux/veth.h`).

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use super::Error;
use super::plan::{Idle, LOOPBACK, Plan, Wire};
use crate::netlink::route::{CREATE_EXCLUSIVE, RTM_NEWLINK, Request, Rtnl};
use crate::netns::NetNs;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_NONE`.
const INVENT_NO_ADDRESS: u8 = 1;
const AF_INET6: u16 = 10;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFF_UP: u32 = 1;
const IFF_NOARP: u32 = 0x80;

/// Makes all interfaces in the namespace of `server`, with their other ends in `world`, all
/// down but `lo`. What the kernel refuses is given in words, and no longer planned.
///
/// Those that are there by name only are such pairs as well, the other end down: bridges
/// are slow to take away, and other types load modules that make interfaces on the host.
pub(super) fn make(
    server: &mut Rtnl,
    world: &NetNs,
    plan: &mut Plan,
) -> Result<Vec<String>, Error> {
    let wires = plan
        .wires
        .values()
        .map(|wire| (wire.index, veth(wire, world)));
    let idle = plan
        .idle
        .values()
        .map(|idle| (idle.index, unplugged(idle, world)));
    let (indexes, mut requests): (Vec<u32>, Vec<Request>) = wires.chain(idle).unzip();
    requests.push(raise_loopback());
    let refused = server.apply(&requests).map_err(Error::of("interfaces"))?;
    let mut words = Vec::new();
    for (place, errno) in refused {
        if errno == Errno::OPNOTSUPP {
            return Err(Error::NoWires);
        }
        let name = indexes.get(place).and_then(|index| plan.remove(*index));
        words.push(refusal(name.as_deref().unwrap_or("lo"), errno));
    }
    Ok(words)
}

/// Sets both ends of all wires up, and the other interfaces that are up on the host.
pub(super) fn raise(server: &mut Rtnl, world: &mut Rtnl, plan: &Plan) -> Result<(), Error> {
    let mut here = Vec::new();
    let mut there = Vec::new();
    for wire in plan.wires.values() {
        for (list, index) in [(&mut here, wire.index), (&mut there, wire.world_index)] {
            list.push(without_invented_address(index));
            list.push(up(index, wire.resolves));
        }
    }
    for idle in plan.idle.values().filter(|idle| idle.up) {
        here.push(without_invented_address(idle.index));
        here.push(up(idle.index, true));
    }
    // What failed shows: wires that do not come up are waited for in vain, and kernels
    // without IPv6 invent no addresses.
    world.apply(&there).map_err(Error::of("interfaces"))?;
    server.apply(&here).map_err(Error::of("interfaces"))?;
    Ok(())
}

/// Sets `lo` up.
pub(super) fn raise_loopback() -> Request {
    link(LOOPBACK, IFF_UP, IFF_UP)
}

/// Gives an interface a hardware address.
pub(super) fn with_mac(index: u32, mac: [u8; 6]) -> Request {
    link(index, 0, 0).bytes(IFLA_ADDRESS, &mac)
}

fn refusal(name: &str, errno: Errno) -> String {
    if errno == Errno::BUSY || errno == Errno::EXIST {
        return format!("interface {name}: its number or name is taken in every new namespace");
    }
    format!("interface {name}: {}", std::io::Error::from(errno))
}

/// A `struct ifinfomsg`: family, padding, type, index, flags, changed flags.
fn header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&change.to_ne_bytes());
    header
}

fn link(index: u32, flags: u32, change: u32) -> Request {
    Request::new(RTM_NEWLINK, 0, &header(index, flags, change))
}

fn up(index: u32, resolves: bool) -> Request {
    let flags = if resolves { IFF_UP } else { IFF_UP | IFF_NOARP };
    link(index, flags, IFF_UP | IFF_NOARP)
}

fn without_invented_address(index: u32) -> Request {
    let mut request = link(index, 0, 0);
    request.body.nest(IFLA_AF_SPEC, |families| {
        families.nest(AF_INET6, |family| {
            family.put(IFLA_INET6_ADDR_GEN_MODE, &[INVENT_NO_ADDRESS]);
        });
    });
    request
}

fn veth(wire: &Wire, world: &NetNs) -> Request {
    let here = end(wire.index, &wire.name)
        .number(IFLA_MTU, wire.mtu)
        .number(IFLA_GROUP, wire.group)
        .bytes(IFLA_ADDRESS, &wire.mac);
    let there = end(wire.world_index, &wire.world_name).number(IFLA_MTU, wire.mtu);
    pair(here, there, world)
}

fn unplugged(idle: &Idle, world: &NetNs) -> Request {
    let here = end(idle.index, &idle.name).number(IFLA_GROUP, idle.group);
    let there = end(0, &format!("u{}", idle.index));
    pair(here, there, world)
}

/// One end. One queue: the kernel's default is one for each processor.
fn end(index: u32, name: &str) -> Request {
    Request::new(RTM_NEWLINK, CREATE_EXCLUSIVE, &header(index, 0, 0))
        .text(IFLA_IFNAME, name)
        .number(IFLA_NUM_TX_QUEUES, 1)
        .number(IFLA_NUM_RX_QUEUES, 1)
}

/// Both ends in one request.
fn pair(mut here: Request, there: Request, world: &NetNs) -> Request {
    let there = there.number(IFLA_NET_NS_FD, world.as_fd().as_raw_fd().unsigned_abs());
    here.body.nest(IFLA_LINKINFO, |info| {
        info.put_text(IFLA_INFO_KIND, "veth");
        info.nest(IFLA_INFO_DATA, |data| {
            data.put(VETH_INFO_PEER, there.body.as_bytes());
        });
    });
    here
}
