//! Network interfaces (`linux/if_link.h`).

use std::collections::BTreeMap;

use super::lister::{Lister, number};
use super::{Error, Link};
use crate::netlink::route::{IFINFOMSG_BYTES, RTM_GETLINK, Request};
use crate::netlink::{Attributes, find};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_GROUP: u16 = 27;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_INFO_KIND: u16 = 1;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const IFF_UP: u32 = 1;
const ARPHRD_ETHER: u16 = 1;

/// All of them, by index.
///
/// # Errors
/// What the kernel says.
pub(super) fn read(kernel: &mut Lister) -> Result<BTreeMap<u32, Link>, Error> {
    let request = Request::new(RTM_GETLINK, 0, &[0; IFINFOMSG_BYTES])
        .number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    kernel.list(
        "network interfaces",
        &request,
        |found: &mut BTreeMap<u32, Link>, bytes| {
            found.extend(parse(bytes).map(|link| (link.index, link)));
        },
    )
}

fn parse(bytes: &[u8]) -> Option<Link> {
    let hardware = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
    let mut link = Link {
        index: number(bytes, 4)?,
        name: String::new(),
        up: number(bytes, 8)? & IFF_UP != 0,
        hardware,
        mac: None,
        mtu: 0,
        group: 0,
        kind: None,
        master: None,
    };
    for attribute in Attributes::new(bytes.get(IFINFOMSG_BYTES..)?) {
        match attribute.kind() {
            IFLA_IFNAME => link.name = attribute.text(),
            IFLA_ADDRESS if hardware == ARPHRD_ETHER => {
                link.mac = attribute.payload.try_into().ok();
            }
            IFLA_MTU => link.mtu = attribute.ne32()?,
            IFLA_MASTER => link.master = attribute.ne32(),
            IFLA_GROUP => link.group = attribute.ne32()?,
            IFLA_LINKINFO => {
                link.kind = find(attribute.payload, IFLA_INFO_KIND).map(|kind| kind.text());
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}
