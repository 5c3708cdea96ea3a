//! Addresses of the interfaces (`linux/if_addr.h`).

use super::lister::{Lister, number};
use super::{Address, Error};
use crate::netlink::address::{V4, V6, address};
use crate::netlink::find;
use crate::netlink::route::{IFADDRMSG_BYTES, RTM_GETADDR, Request};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

/// All of them, those of `lo` included.
///
/// # Errors
/// What the kernel says.
pub(super) fn read(kernel: &mut Lister) -> Result<Vec<Address>, Error> {
    let request = Request::new(RTM_GETADDR, 0, &[0; IFADDRMSG_BYTES]);
    kernel.list("addresses", &request, |found: &mut Vec<Address>, bytes| {
        found.extend(parse(bytes));
    })
}

fn parse(bytes: &[u8]) -> Option<Address> {
    let &[family, prefix, flags, scope] = bytes.first_chunk()?;
    if ![V4, V6].contains(&family) {
        return None;
    }
    let attributes = bytes.get(IFADDRMSG_BYTES..)?;
    let of = |kind| find(attributes, kind).and_then(|one| address(one.payload));
    // IFA_ADDRESS is the other end where there is one, else this end (`linux/if_addr.h`).
    let far = of(IFA_ADDRESS);
    let local = of(IFA_LOCAL).or(far)?;
    Some(Address {
        link: number(bytes, 4)?,
        ip: local,
        prefix,
        peer: far.filter(|peer| *peer != local),
        scope,
        flags: find(attributes, IFA_FLAGS)
            .and_then(|flags| flags.ne32())
            .unwrap_or(u32::from(flags)),
    })
}
