//! What a route says (`linux/rtnetlink.h`), and its ways out.

use std::net::IpAddr;

use super::address::address;
use super::find;
use super::route::RTMSG_BYTES;

/// `RTA_DST`.
pub const RTA_DST: u16 = 1;
/// `RTA_SRC`.
pub const RTA_SRC: u16 = 2;
/// `RTA_OIF`.
pub const RTA_OIF: u16 = 4;
/// `RTA_GATEWAY`.
pub const RTA_GATEWAY: u16 = 5;
/// `RTA_PRIORITY`.
pub const RTA_PRIORITY: u16 = 6;
/// `RTA_PREFSRC`.
pub const RTA_PREFSRC: u16 = 7;
/// `RTA_MULTIPATH`.
pub const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
/// Length of `struct rtnexthop` (length, flags, weight, interface; attributes follow), in bytes.
pub const RTNEXTHOP_BYTES: usize = 8;

/// One way out of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// The interface.
    pub link: u32,
    /// The next hop; `None` where the destination is on the link.
    pub gateway: Option<IpAddr>,
}

/// The ways out of a dumped route.
#[must_use]
pub fn hops(raw: &[u8]) -> Vec<Hop> {
    let attributes = raw.get(RTMSG_BYTES..).unwrap_or(&[]);
    let mut found = Vec::new();
    let link = find(attributes, RTA_OIF).and_then(|one| one.ne32());
    found.extend(link.map(|link| Hop {
        link,
        gateway: gateway(attributes),
    }));
    let mut rest = find(attributes, RTA_MULTIPATH).map_or(&[][..], |one| one.payload);
    while let Some(header) = rest.get(..RTNEXTHOP_BYTES) {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let Some(inner) = rest.get(RTNEXTHOP_BYTES..length) else {
            break;
        };
        let link = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
        found.push(Hop {
            link,
            gateway: gateway(inner),
        });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    found
}

/// The next hop among the attributes of a route; `RTA_VIA` is one of another family.
#[must_use]
pub fn gateway(attributes: &[u8]) -> Option<IpAddr> {
    let plain = find(attributes, RTA_GATEWAY).and_then(|one| address(one.payload));
    plain.or_else(|| address(find(attributes, RTA_VIA)?.payload.get(2..)?))
}
