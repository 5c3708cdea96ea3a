//! Addresses of the interfaces (`linux/if_addr.h`).

use super::rtnetlink::{Query, Rtnetlink, V4, V6, ip, number};
use super::{Address, Error};
use crate::netlink::find;

const RTM_GETADDR: u16 = 22;
/// `struct ifaddrmsg`: family, length of the prefix, flags, scope, interface.
const IFADDRMSG_BYTES: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

/// All of them, those of `lo` included.
///
/// # Errors
/// What the kernel says.
pub(super) fn read(kernel: &mut Rtnetlink) -> Result<Vec<Address>, Error> {
    let query = Query {
        what: "addresses",
        kind: RTM_GETADDR,
        header: &[0; IFADDRMSG_BYTES],
        attributes: &[],
    };
    kernel.dump(query, |found: &mut Vec<Address>, bytes| {
        found.extend(parse(bytes));
    })
}

fn parse(bytes: &[u8]) -> Option<Address> {
    let &[family, prefix, flags, scope] = bytes.first_chunk()?;
    if ![V4, V6].contains(&family) {
        return None;
    }
    let attributes = bytes.get(IFADDRMSG_BYTES..)?;
    let of = |kind| find(attributes, kind).and_then(|one| ip(one.payload));
    // IFA_ADDRESS is the other end where there is one, else this end (`linux/if_addr.h`).
    let address = of(IFA_ADDRESS);
    let local = of(IFA_LOCAL).or(address)?;
    Some(Address {
        link: number(bytes, 4)?,
        ip: local,
        prefix,
        peer: address.filter(|peer| *peer != local),
        scope,
        flags: find(attributes, IFA_FLAGS)
            .and_then(|flags| flags.ne32())
            .unwrap_or(u32::from(flags)),
    })
}
