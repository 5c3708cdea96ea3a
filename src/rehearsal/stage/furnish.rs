//! Puts addresses and routes into the world.

use std::net::IpAddr;

use rustix::io::Errno;

use super::Error;
use super::addresses::plain;
use super::devices::{raise_loopback, with_mac};
use super::plan::{LOOPBACK, Plan, Wire};
use super::routes::RTNH_F_ONLINK;
use super::ways::is_link_local;
use super::world::World;
use crate::netlink::address::{family, full_prefix};
use crate::netlink::hop::{RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PRIORITY};
use crate::netlink::route::{CREATE_EXCLUSIVE, RTM_NEWROUTE, RTMSG_BYTES, Request, Rtnl};
use crate::rehearsal::host::Host;

const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
/// Routes by the wire that has the address itself are better than any other.
const DETOUR_METRIC: u32 = 1000;

/// Gives what the kernel refused, in words.
pub(super) fn furnish(
    socket: &mut Rtnl,
    host: &Host,
    plan: &Plan,
    world: &World,
) -> Result<Vec<String>, Error> {
    let mut requests = vec![raise_loopback()];
    let mut about = vec!["lo".to_owned()];
    let nobody = super::world::End::default();
    let end_of = |wire: &Wire| world.ends.get(&wire.index).unwrap_or(&nobody);
    for wire in plan.wires.values() {
        let end = end_of(wire);
        requests.push(with_mac(wire.world_index, end.mac(host, wire)));
        about.push(format!("the hardware address of {}", wire.world_name));
        for (ip, prefix) in end.addresses(host, wire) {
            requests.push(plain(wire.world_index, ip, prefix));
            about.push(format!("address {ip}"));
        }
    }
    for ip in world.far(host) {
        requests.push(plain(LOOPBACK, ip, full_prefix(ip)));
        about.push(format!("address {ip}"));
    }
    for (rank, wire) in (1..).zip(plan.wires.values()) {
        for (ip, request) in back(host, wire, rank, end_of(wire).expected) {
            requests.push(request);
            about.push(format!("the way back to {ip} by {}", wire.name));
        }
    }
    let refused = socket.apply(&requests).map_err(Error::of("the world"))?;
    let refused = refused
        .into_iter()
        .filter(|(_, errno)| *errno != Errno::EXIST);
    Ok(refused
        .map(|(place, errno)| {
            format!(
                "{} in the world: {}",
                about[place],
                std::io::Error::from(errno)
            )
        })
        .collect())
}

/// The routes to the host's addresses by one wire; by wires where packets are `expected`
/// also to addresses of other interfaces.
fn back(host: &Host, wire: &Wire, rank: u32, expected: bool) -> Vec<(IpAddr, Request)> {
    let mut found = Vec::new();
    for own in host.addresses.iter().filter(|own| !own.ip.is_loopback()) {
        if own.link == wire.index {
            found.push((own.ip, route(own.ip, wire, None, rank)));
        } else if expected && !is_link_local(own.ip) {
            let door = door(host, wire, own.ip).filter(|_| wire.resolves);
            found.push((own.ip, route(own.ip, wire, door, DETOUR_METRIC + rank)));
        }
    }
    found
}

/// The host's address at this wire by which its other addresses are reached.
fn door(host: &Host, wire: &Wire, to: IpAddr) -> Option<IpAddr> {
    let at_wire = host.addresses.iter().filter(|own| own.link == wire.index);
    let same = at_wire.filter(|own| own.ip.is_ipv4() == to.is_ipv4());
    same.map(|own| own.ip).min_by_key(|ip| !is_link_local(*ip))
}

fn route(to: IpAddr, wire: &Wire, door: Option<IpAddr>, metric: u32) -> Request {
    let scope = match door {
        None if to.is_ipv4() => RT_SCOPE_LINK,
        None | Some(_) => RT_SCOPE_UNIVERSE,
    };
    let mut header = [0; RTMSG_BYTES];
    header[..8].copy_from_slice(&[
        family(to),
        full_prefix(to),
        0,
        0,
        RT_TABLE_MAIN,
        RTPROT_STATIC,
        scope,
        RTN_UNICAST,
    ]);
    if door.is_some() {
        header[8..].copy_from_slice(&u32::from(RTNH_F_ONLINK).to_ne_bytes());
    }
    let mut request = Request::new(RTM_NEWROUTE, CREATE_EXCLUSIVE, &header)
        .ip(RTA_DST, to)
        .number(RTA_OIF, wire.world_index)
        .number(RTA_PRIORITY, metric);
    if let Some(door) = door {
        request = request.ip(RTA_GATEWAY, door);
    }
    request
}
