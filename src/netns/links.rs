//! Network interfaces over rtnetlink (`rtnetlink(7)`, `linux/if_link.h`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::io::Errno;
use rustix::net::Protocol;

use crate::netlink::{self, Builder, Socket, find};

/// `NETLINK_ROUTE` is protocol number 0.
const ROUTE: Option<Protocol> = None;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFF_UP: u32 = 1;
/// `struct ifinfomsg`: family, padding, type, index, flags, changed flags.
const IFINFOMSG_BYTES: usize = 16;
const LOOPBACK_INDEX: u32 = 1;
const DUMP_ATTEMPTS: usize = 10;
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
    Ok(interfaces()?.into_keys().collect())
}

/// The same, each with its index.
///
/// # Errors
/// As [`interface_names`].
pub fn interfaces() -> io::Result<BTreeMap<String, u32>> {
    let mut socket = Socket::open(ROUTE).map_err(into_io)?;
    let mut result = Err(netlink::Error::Interrupted);
    for _ in 0..DUMP_ATTEMPTS {
        result = dump_names(&mut socket);
        if !matches!(result, Err(netlink::Error::Interrupted)) {
            break;
        }
    }
    result.map_err(into_io)
}

fn dump_names(socket: &mut Socket) -> Result<BTreeMap<String, u32>, netlink::Error> {
    let sequence = socket.next_sequence();
    let mut request = Builder::new();
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.begin(RTM_GETLINK, flags, sequence, &[0; IFINFOMSG_BYTES]);
    request.end();
    let mut names = BTreeMap::new();
    socket.request(request.as_bytes(), sequence, |message| {
        let attributes = message.payload.get(IFINFOMSG_BYTES..).unwrap_or(&[]);
        let index = message.payload.get(4..8);
        let index = index.and_then(|bytes| bytes.try_into().ok());
        let index = index.map_or(0, u32::from_ne_bytes);
        names.extend(find(attributes, IFLA_IFNAME).map(|name| (name.text(), index)));
    })?;
    Ok(names)
}

/// Sets `lo` up in the calling thread's network namespace.
pub(super) fn raise_loopback() -> io::Result<()> {
    let mut socket = Socket::open(ROUTE).map_err(into_io)?;
    let sequence = socket.next_sequence();
    let mut header = [0; IFINFOMSG_BYTES];
    header[4..8].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    header[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    header[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    let mut request = Builder::new();
    request.begin(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, &header);
    request.end();
    let done = socket.request(request.as_bytes(), sequence, |_| {});
    done.map_err(into_io)
}

/// Adds an interface of each name to the calling thread's network namespace, down and
/// without addresses, with the index that is given (0: any); names that are there already are
/// left alone, and so are indexes that another interface has, such as that of a tunnel that
/// the kernel makes in each namespace.
///
/// The index matters: nft writes that of its own namespace into rules (`iif eth0`).
pub(super) fn add(wanted: &BTreeMap<String, u32>) -> io::Result<()> {
    let mut socket = Socket::open(ROUTE).map_err(into_io)?;
    let existing = interface_names()?;
    let mut kinds = KINDS.as_slice();
    let missing = (wanted.iter()).filter(|(name, _)| !existing.contains(*name));
    for (name, index) in missing {
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{name}` is no name for a network interface: 1 to {NAME_BYTES} bytes"),
            ));
        }
        // A type that the kernel does not have is not asked for again.
        while let Some((kind, others)) = kinds.split_first() {
            match create(&mut socket, name, *index, kind) {
                Ok(()) | Err(netlink::Error::Errno(Errno::BUSY)) => break,
                Err(netlink::Error::Errno(Errno::OPNOTSUPP)) if !others.is_empty() => {
                    kinds = others;
                }
                Err(error) => {
                    let error = into_io(error);
                    let reason = format!("interface `{name}` of type {kind}: {error}");
                    return Err(io::Error::new(error.kind(), reason));
                }
            }
        }
    }
    Ok(())
}

fn create(socket: &mut Socket, name: &str, index: u32, kind: &str) -> Result<(), netlink::Error> {
    let sequence = socket.next_sequence();
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE_EXCL;
    let mut request = Builder::new();
    let mut header = [0; IFINFOMSG_BYTES];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    request.begin(RTM_NEWLINK, flags, sequence, &header);
    request.put_text(IFLA_IFNAME, name);
    request.nest(IFLA_LINKINFO, |info| info.put_text(IFLA_INFO_KIND, kind));
    request.end();
    socket.request(request.as_bytes(), sequence, |_| {})
}

fn into_io(error: netlink::Error) -> io::Error {
    match error {
        netlink::Error::Errno(errno) => errno.into(),
        other @ (netlink::Error::Interrupted | netlink::Error::Malformed) => {
            io::Error::other(other)
        }
    }
}
