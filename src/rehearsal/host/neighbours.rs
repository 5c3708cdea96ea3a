//! Neighbours (`linux/neighbour.h`).

use super::lister::{Lister, number};
use super::{Error, Neighbour};
use crate::netlink::address::{V4, V6, address};
use crate::netlink::find;
use crate::netlink::route::{NDMSG_BYTES, RTM_GETNEIGH, Request};

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// `NUD_REACHABLE`, `NUD_STALE`, `NUD_DELAY`, `NUD_PROBE`, `NUD_PERMANENT`.
const KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;

/// Those with a known Ethernet address.
///
/// # Errors
/// What the kernel says.
pub(super) fn read(kernel: &mut Lister) -> Result<Vec<Neighbour>, Error> {
    let request = Request::new(RTM_GETNEIGH, 0, &[0; NDMSG_BYTES]);
    kernel.list(
        "neighbours",
        &request,
        |found: &mut Vec<Neighbour>, bytes| {
            found.extend(parse(bytes));
        },
    )
}

fn parse(bytes: &[u8]) -> Option<Neighbour> {
    if ![V4, V6].contains(bytes.first()?) {
        return None;
    }
    let state = u16::from_ne_bytes(bytes.get(8..10)?.try_into().ok()?);
    let attributes = bytes.get(NDMSG_BYTES..)?;
    let neighbour = Neighbour {
        link: number(bytes, 4)?,
        ip: address(find(attributes, NDA_DST)?.payload)?,
        mac: find(attributes, NDA_LLADDR)?.payload.try_into().ok()?,
    };
    (state & KNOWN != 0).then_some(neighbour)
}
