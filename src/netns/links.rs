//! Network interfaces over rtnetlink (`rtnetlink(7)`, `linux/if_link.h`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use rustix::io::Errno;

use crate::netlink::route::{
    CREATE_EXCLUSIVE, IFINFOMSG_BYTES, RTM_GETLINK, RTM_NEWLINK, Request, Rtnl,
};
use crate::netlink::{self, Message, find};

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFF_UP: u32 = 1;
/// Where the index is in `struct ifinfomsg`.
const INDEX: Range<usize> = 4..8;
const LOOPBACK_INDEX: u32 = 1;
/// The kernel takes the next one that is free.
const ANY_INDEX: u32 = 0;
/// `IFNAMSIZ` less the terminating NUL.
const NAME_BYTES: usize = 15;
/// Types that carry netdev chains and flowtables. Bridge comes first because
/// loading the modules of the others makes interfaces appear on the host
/// (`dummy0`, `ifb0`, `ifb1`).
const KINDS: [&str; 3] = ["bridge", "dummy", "ifb"];

/// The names of all network interfaces in the calling thread's network namespace.
///
/// # Errors
/// What the kernel says; that the list kept changing, if it did.
pub fn interface_names() -> io::Result<BTreeSet<String>> {
    Ok(interfaces()?.into_values().collect())
}

/// All network interfaces in the calling thread's network namespace, by index.
///
/// # Errors
/// As for [`interface_names`].
pub fn interfaces() -> io::Result<BTreeMap<u32, String>> {
    let mut socket = Rtnl::here()?;
    let found = socket.dump(RTM_GETLINK, &[0; IFINFOMSG_BYTES], |message| link(&message));
    Ok(found?.into_iter().collect())
}

fn link(message: &Message<'_>) -> Option<(u32, String)> {
    let (header, attributes) = message.payload.split_at_checked(IFINFOMSG_BYTES)?;
    let index = u32::from_ne_bytes(header.get(INDEX)?.try_into().ok()?);
    Some((index, find(attributes, IFLA_IFNAME)?.text()))
}

/// Sets `lo` up in the calling thread's network namespace.
pub(super) fn raise_loopback() -> io::Result<()> {
    let mut header = [0; IFINFOMSG_BYTES];
    header[INDEX].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    header[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    header[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    let mut socket = Rtnl::here()?;
    let request = Request::new(RTM_NEWLINK, 0, &header);
    Ok(one(&mut socket, request)?)
}

/// One request, and its one answer.
fn one(socket: &mut Rtnl, request: Request) -> Result<(), netlink::Error> {
    match socket.apply(&[request])?.first() {
        Some((_, errno)) => Err((*errno).into()),
        None => Ok(()),
    }
}

/// Adds interfaces to the calling thread's network namespace, down and without addresses: those
/// of `known` with their indexes, then one of each name in `names`; names that are there
/// already are left alone.
pub(super) fn add(known: &BTreeMap<u32, String>, names: &BTreeSet<String>) -> io::Result<()> {
    let mut socket = Rtnl::here()?;
    let existing = interface_names()?;
    let mut kinds = KINDS.as_slice();
    let known_names: BTreeSet<&String> = known.values().collect();
    let others = names.iter().filter(|name| !known_names.contains(name));
    let wanted = known
        .iter()
        .map(|(index, name)| (name, *index))
        .chain(others.map(|name| (name, ANY_INDEX)))
        .filter(|(name, _)| !existing.contains(*name));
    for (name, mut index) in wanted {
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{name}` is no name for a network interface: 1 to {NAME_BYTES} bytes"),
            ));
        }
        // A type that the kernel does not have is not asked for again.
        while let Some((kind, others)) = kinds.split_first() {
            match create(&mut socket, name, index, kind) {
                Ok(()) => break,
                // New namespaces may come with tunnels of the kernel's own (`sit0`). Without
                // its index an interface would be mistaken for another one by `iif`.
                Err(netlink::Error::Errno(Errno::BUSY | Errno::EXIST)) if index != ANY_INDEX => {
                    if !names.contains(name) {
                        break;
                    }
                    index = ANY_INDEX;
                }
                Err(netlink::Error::Errno(Errno::OPNOTSUPP)) if !others.is_empty() => {
                    kinds = others;
                }
                Err(error) => {
                    let error = io::Error::from(error);
                    let reason = format!("interface `{name}` of type {kind}: {error}");
                    return Err(io::Error::new(error.kind(), reason));
                }
            }
        }
    }
    Ok(())
}

fn create(socket: &mut Rtnl, name: &str, index: u32, kind: &str) -> Result<(), netlink::Error> {
    let mut header = [0; IFINFOMSG_BYTES];
    header[INDEX].copy_from_slice(&index.to_ne_bytes());
    let mut request = Request::new(RTM_NEWLINK, CREATE_EXCLUSIVE, &header).text(IFLA_IFNAME, name);
    let info = &mut request.body;
    info.nest(IFLA_LINKINFO, |info| info.put_text(IFLA_INFO_KIND, kind));
    one(socket, request)
}
