//! Where the kernel would send a packet (`RTM_GETROUTE` of one address).

use std::io;
use std::net::IpAddr;

use super::Path;
use super::routes::{RTA_OIF, RTMSG_BYTES, gateway};
use super::rtnetlink::{ip, octets};
use crate::netlink::{self, Builder, Socket, find};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_PREFSRC: u16 = 7;

/// How an unmarked packet to `to` leaves, from `from` (an address of this host) or from
/// whichever address the kernel takes, in the calling thread's network namespace.
/// What is for this host itself leaves by `lo`.
///
/// # Errors
/// What the kernel says: `ENETUNREACH` and `EHOSTUNREACH` where no route leads there or
/// one refuses, `EACCES` for a route of type `prohibit`, `EINVAL` for `blackhole`; one or
/// another of these where `from` is no address of this host.
pub fn path_to(to: IpAddr, from: Option<IpAddr>) -> io::Result<Path> {
    ask(to, from, None)
}

/// How an unmarked packet to `to` leaves by the interface of index `link`: the only way to
/// ask about an IPv6 address that counts on one link (`fe80::/10`).
///
/// # Errors
/// As [`path_to`]; `ENODEV` where there is no such interface.
pub fn path_to_on(to: IpAddr, link: u32) -> io::Result<Path> {
    ask(to, None, Some(link))
}

fn ask(to: IpAddr, from: Option<IpAddr>, link: Option<u32>) -> io::Result<Path> {
    let mut socket = Socket::open(None).map_err(into_io)?;
    let sequence = socket.next_sequence();
    let (family, to) = octets(to.to_canonical());
    let mut header = [0; RTMSG_BYTES];
    header[0] = family;
    header[1] = bits(&to);
    let from = from.map(|from| from.to_canonical());
    let source = from.map(octets);
    if let Some((other, _)) = source.as_ref().filter(|(other, _)| *other != family) {
        let reason = format!("address families {family} and {other} do not go together");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    header[2] = source.as_ref().map_or(0, |(_, bytes)| bits(bytes));
    let mut request = Builder::new();
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    request.begin(RTM_GETROUTE, flags, sequence, &header);
    request.put(RTA_DST, &to);
    if let Some((_, bytes)) = source {
        request.put(RTA_SRC, &bytes);
    }
    if let Some(link) = link {
        request.put(RTA_OIF, &link.to_ne_bytes());
    }
    request.end();
    let mut path = None;
    let done = socket.request(request.as_bytes(), sequence, |answer| {
        if answer.kind == RTM_NEWROUTE {
            path = answer.payload.get(RTMSG_BYTES..).and_then(parse);
        }
    });
    done.map_err(into_io)?;
    let mut path = path.ok_or_else(|| into_io(netlink::Error::Malformed))?;
    path.source = from.or(path.source);
    Ok(path)
}

fn parse(attributes: &[u8]) -> Option<Path> {
    Some(Path {
        link: find(attributes, RTA_OIF)?.ne32()?,
        gateway: gateway(attributes),
        source: find(attributes, RTA_PREFSRC).and_then(|source| ip(source.payload)),
    })
}

/// The length of an address, in bits.
const fn bits(address: &[u8]) -> u8 {
    if address.len() == 4 { 32 } else { 128 }
}

fn into_io(error: netlink::Error) -> io::Error {
    match error {
        netlink::Error::Errno(errno) => errno.into(),
        other @ (netlink::Error::Interrupted | netlink::Error::Malformed) => {
            io::Error::other(other)
        }
    }
}
