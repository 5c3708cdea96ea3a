//! The host's addresses (`struct ifaddrmsg`, `linux/if_addr.h`).

use std::net::IpAddr;

use rustix::io::Errno;

use super::Error;
use super::plan::{LOOPBACK, Plan};
use crate::netlink::address::family;
use crate::netlink::route::{CREATE_EXCLUSIVE, RTM_NEWADDR, Request, Rtnl};
use crate::rehearsal::host::{Address, Host};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
/// No duplicate address detection.
const IFA_F_NODAD: u32 = 0x02;
/// Somebody else has the address.
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_DEPRECATED: u32 = 0x20;
/// Whether somebody else has the address is not known yet.
const IFA_F_TENTATIVE: u32 = 0x40;
/// The kernel makes no route to the prefix: the routes are the host's own.
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

/// Puts the host's addresses where they belong; gives what the kernel refused, in words.
pub(super) fn put(server: &mut Rtnl, host: &Host, plan: &Plan) -> Result<Vec<String>, Error> {
    let here = |address: &&Address| plan.has(address.link) && is_usable(address);
    let (v4, v6): (Vec<&Address>, Vec<&Address>) = host
        .addresses
        .iter()
        .filter(here)
        .partition(|one| one.ip.is_ipv4());
    // The kernel lists IPv6 addresses newest first, and takes the first that will do.
    let all: Vec<&Address> = v4.into_iter().chain(v6.into_iter().rev()).collect();
    let requests: Vec<Request> = all.iter().map(|address| request(address)).collect();
    let refused = server.apply(&requests).map_err(Error::of("addresses"))?;
    let refused = refused.iter().filter(|(_, errno)| *errno != Errno::EXIST);
    Ok(refused
        .map(|(place, errno)| {
            let reason = std::io::Error::from(*errno);
            format!("address {}: {reason}", all[*place].ip)
        })
        .collect())
}

/// Whether the host answers to it.
pub(super) fn is_usable(address: &Address) -> bool {
    address.ip.is_ipv4() || address.flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE) == 0
}

fn request(address: &Address) -> Request {
    let mut flags = address.flags & IFA_F_NOPREFIXROUTE;
    if address.link != LOOPBACK {
        flags |= IFA_F_NOPREFIXROUTE;
    }
    let mut request = new(
        address.link,
        address.ip,
        address.peer,
        address.prefix,
        address.scope,
        flags,
    );
    if address.ip.is_ipv6() && address.flags & IFA_F_DEPRECATED != 0 {
        // Preferred for no second, valid for ever.
        let mut lifetimes = [0; 16];
        lifetimes[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        request = request.bytes(IFA_CACHEINFO, &lifetimes);
    }
    request
}

/// An address without a route to its prefix, for an interface of the world.
pub(super) fn plain(link: u32, ip: IpAddr, prefix: u8) -> Request {
    new(link, ip, None, prefix, 0, IFA_F_NOPREFIXROUTE)
}

fn new(link: u32, ip: IpAddr, peer: Option<IpAddr>, prefix: u8, scope: u8, flags: u32) -> Request {
    let flags = if ip.is_ipv6() {
        flags | IFA_F_NODAD
    } else {
        flags
    };
    let mut header = [family(ip), prefix, 0, scope, 0, 0, 0, 0];
    header[4..].copy_from_slice(&link.to_ne_bytes());
    Request::new(RTM_NEWADDR, CREATE_EXCLUSIVE, &header)
        .ip(IFA_LOCAL, ip)
        .ip(IFA_ADDRESS, peer.unwrap_or(ip))
        .number(IFA_FLAGS, flags)
}
