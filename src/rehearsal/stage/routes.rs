//! The host's routes and policy routing rules (`linux/rtnetlink.h`, `linux/fib_rules.h`).

use std::net::IpAddr;

use rustix::io::Errno;

use super::Error;
use super::plan::Plan;
use crate::netlink::address::same_prefix;
use crate::netlink::hop::{RTA_MULTIPATH, RTNEXTHOP_BYTES};
use crate::netlink::route::{
    CREATE_APPEND, CREATE_EXCLUSIVE, RTM_NEWROUTE, RTM_NEWRULE, RTMSG_BYTES, Request, Rtnl,
};
use crate::netlink::{Attributes, find};
use crate::rehearsal::host::{Host, Route};

const RTA_CACHEINFO: u16 = 12;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
/// The one flag of a next hop that a user sets.
pub(super) const RTNH_F_ONLINK: u8 = 4;
/// Length of `struct fib_rule_hdr`, in bytes.
const FIB_RULE_BYTES: usize = 12;
const FIB_RULE_INVERT: u32 = 2;
const FRA_PRIORITY: u16 = 6;
/// Beyond this many, only routes that packets of this rehearsal can meet are taken.
const MANY: usize = 1000;
/// How many refusals are told one by one.
const TOLD: usize = 10;
/// A route may need others first.
const ROUNDS: usize = 3;

/// Brings the routes into the server namespace; gives what the kernel refused, in words.
pub(super) fn put(
    server: &mut Rtnl,
    host: &Host,
    plan: &Plan,
    peers: &[IpAddr],
) -> Result<Vec<String>, Error> {
    let mut routes: Vec<&Route> = host
        .routes
        .iter()
        .filter(|route| route.links.iter().all(|link| plan.has(*link)))
        .filter(|route| host.routes.len() <= MANY || matters(route, host, peers))
        .collect();
    // Gateways have to be on a link first.
    routes.sort_by_key(|route| !route.gateways.is_empty());
    let mut pending: Vec<(&Route, Request, Errno)> = routes
        .into_iter()
        .filter_map(|route| Some((route, route_request(&route.raw)?, Errno::INVAL)))
        .collect();
    for _ in 0..ROUNDS {
        let requests: Vec<Request> = pending.iter().map(|one| one.1.clone()).collect();
        let refused = server.apply(&requests).map_err(Error::of("routes"))?;
        let before = pending.len();
        pending = refused
            .into_iter()
            .filter(|(_, errno)| *errno != Errno::EXIST)
            .map(|(place, errno)| (pending[place].0, pending[place].1.clone(), errno))
            .collect();
        if pending.is_empty() || pending.len() == before {
            break;
        }
    }
    let mut words: Vec<String> = pending
        .iter()
        .take(TOLD)
        .map(|(route, _, errno)| {
            let reason = std::io::Error::from(*errno);
            format!("route {}: {reason}", describe(route))
        })
        .collect();
    if pending.len() > TOLD {
        words.push(format!("{} more routes were refused", pending.len() - TOLD));
    }
    Ok(words)
}

/// Brings the policy routing rules into the server namespace, as [`put`].
pub(super) fn put_policies(server: &mut Rtnl, host: &Host) -> Result<Vec<String>, Error> {
    let requests: Vec<Request> = host
        .policies
        .iter()
        .filter_map(|raw| rule_request(raw))
        .collect();
    let refused = server
        .apply(&requests)
        .map_err(Error::of("policy routing"))?;
    let refused = refused.iter().filter(|(_, errno)| *errno != Errno::EXIST);
    Ok(refused
        .map(|(place, errno)| {
            let body = requests[*place].body.as_bytes();
            let priority = find(&body[FIB_RULE_BYTES..], FRA_PRIORITY).and_then(|one| one.ne32());
            let reason = std::io::Error::from(*errno);
            format!("policy routing rule {}: {reason}", priority.unwrap_or(0))
        })
        .collect())
}

/// Whether a packet of this rehearsal can meet the route.
fn matters(route: &Route, host: &Host, peers: &[IpAddr]) -> bool {
    let Some((network, prefix)) = route.destination else {
        return true;
    };
    let own = host.addresses.iter().map(|address| &address.ip);
    let gateways = host
        .routes
        .iter()
        .filter(|other| other.destination.is_none());
    let gateways = gateways.flat_map(|other| &other.gateways);
    let mut ends = own.chain(peers).chain(gateways);
    route.gateways.is_empty() || ends.any(|end| same_prefix(*end, network, prefix))
}

fn describe(route: &Route) -> String {
    match route.destination {
        None if route.v6 => "default (IPv6)".to_owned(),
        None => "default".to_owned(),
        Some((network, prefix)) => format!("{network}/{prefix}"),
    }
}

/// What the kernel takes of a dumped route.
fn route_request(raw: &[u8]) -> Option<Request> {
    let mut header: [u8; RTMSG_BYTES] = raw.get(..RTMSG_BYTES)?.try_into().ok()?;
    let flags = u32::from_ne_bytes(header[8..].try_into().ok()?) & u32::from(RTNH_F_ONLINK);
    header[8..].copy_from_slice(&flags.to_ne_bytes());
    let mut request = Request::new(RTM_NEWROUTE, CREATE_APPEND, &header);
    for attribute in Attributes::new(&raw[RTMSG_BYTES..]) {
        match attribute.kind() {
            RTA_CACHEINFO | RTA_EXPIRES | RTA_NH_ID => {}
            RTA_MULTIPATH => {
                let hops = without_state(attribute.payload);
                request = request.bytes(attribute.raw_kind, &hops);
            }
            _ => request = request.bytes(attribute.raw_kind, attribute.payload),
        }
    }
    Some(request)
}

/// The next hops of a multipath route without flags such as "dead".
fn without_state(hops: &[u8]) -> Vec<u8> {
    let mut all = hops.to_vec();
    let mut at = 0;
    while let Some(header) = all.get(at..at + RTNEXTHOP_BYTES) {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        if length < RTNEXTHOP_BYTES {
            break;
        }
        all[at + 2] &= RTNH_F_ONLINK;
        at += length.next_multiple_of(4);
    }
    all
}

/// What the kernel takes of a dumped policy routing rule.
fn rule_request(raw: &[u8]) -> Option<Request> {
    let mut header: [u8; FIB_RULE_BYTES] = raw.get(..FIB_RULE_BYTES)?.try_into().ok()?;
    // Multicast routing has rules of its own, of families of its own.
    if ![2, 10].contains(&header[0]) {
        return None;
    }
    let flags = u32::from_ne_bytes(header[8..].try_into().ok()?) & FIB_RULE_INVERT;
    header[8..].copy_from_slice(&flags.to_ne_bytes());
    let attributes = &raw[FIB_RULE_BYTES..];
    let mut request = Request::new(RTM_NEWRULE, CREATE_EXCLUSIVE, &header);
    request.body.append(attributes);
    // Priority 0 is left out of a dump, and the kernel would choose another.
    if find(attributes, FRA_PRIORITY).is_none() {
        request = request.number(FRA_PRIORITY, 0);
    }
    Some(request)
}
