//! Netlink to ip_set (`linux/netfilter/ipset/ip_set.h`, protocol 7).

use std::collections::BTreeMap;
use std::fmt;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::netlink::NETFILTER;

use super::Error;
use crate::escape;
use crate::netlink::{self, Builder, Socket, find};

const SUBSYSTEM: u16 = 6 << 8;
const PROTOCOL_VERSION: u8 = 7;
const CMD_DESTROY: u16 = 3;
const CMD_RENAME: u16 = 5;
const CMD_SWAP: u16 = 6;
const CMD_LIST: u16 = 7;
const ATTR_PROTOCOL: u16 = 1;
const ATTR_NAME: u16 = 2;
const ATTR_OTHER_NAME: u16 = 3;
const ATTR_FLAGS: u16 = 6;
const ATTR_INDEX: u16 = 11;
const FLAG_LIST_HEADER: u32 = 1 << 2;
const NET_BYTEORDER: u16 = 0x4000;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
/// `struct nfgenmsg`: any family, version 0.
const FAMILY_HEADER: [u8; 4] = [0, 0, 0, 0];
const FAMILY_HEADER_BYTES: usize = FAMILY_HEADER.len();
const LIST_ATTEMPTS: usize = 10;

const ERR_BUSY: i32 = 4100;
const ERR_OTHER_NAME_EXISTS: i32 = 4101;
const ERR_TYPE_MISMATCH: i32 = 4102;
const ERR_REFERENCED: i32 = 4108;

/// Why the kernel did not change a set; ip_set has error numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such set.
    Missing,
    /// A rule or another set refers to it.
    InUse,
    /// The two sets are too different to take each other's place.
    TypeMismatch,
    /// There is a set of the new name.
    NameTaken,
    /// Any other error number.
    Other(i32),
}

impl Refusal {
    const fn of(number: i32) -> Self {
        match number {
            2 => Self::Missing,
            ERR_BUSY | ERR_REFERENCED | 16 => Self::InUse,
            ERR_TYPE_MISMATCH => Self::TypeMismatch,
            ERR_OTHER_NAME_EXISTS => Self::NameTaken,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("there is no such set"),
            Self::InUse => formatter.write_str("a rule or another set refers to it"),
            Self::TypeMismatch => formatter.write_str("the two sets are of different types"),
            Self::NameTaken => formatter.write_str("there is already a set of the new name"),
            Self::Other(number) if *number < 4096 => {
                write!(formatter, "{}", std::io::Error::from_raw_os_error(*number))
            }
            Self::Other(number) => write!(formatter, "ip_set error {number}"),
        }
    }
}

/// Name to index of all sets in the calling thread's network namespace.
///
/// # Errors
/// [`Error::List`]; `EPERM` without `CAP_NET_ADMIN`. A kernel without ip_set has none.
pub fn indexes() -> Result<BTreeMap<String, u16>, Error> {
    let mut socket = Socket::open(NETFILTER).map_err(Error::List)?;
    for _ in 0..LIST_ATTEMPTS {
        match list(&mut socket) {
            Err(netlink::Error::Interrupted) => {}
            // No such subsystem.
            Err(netlink::Error::Errno(Errno::INVAL | Errno::OPNOTSUPP)) => {
                return Ok(BTreeMap::new());
            }
            other => return other.map_err(Error::List),
        }
    }
    Err(Error::Unstable)
}

fn list(socket: &mut Socket) -> Result<BTreeMap<String, u16>, netlink::Error> {
    let sequence = socket.next_sequence();
    let mut request = Builder::new();
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.begin(SUBSYSTEM | CMD_LIST, flags, sequence, &FAMILY_HEADER);
    request.put(ATTR_PROTOCOL, &[PROTOCOL_VERSION]);
    request.put_be32(ATTR_FLAGS | NET_BYTEORDER, FLAG_LIST_HEADER);
    request.end();
    let mut indexes = BTreeMap::new();
    let mut complete = true;
    socket.request(request.as_bytes(), sequence, |message| {
        let attributes = message.payload.get(FAMILY_HEADER_BYTES..).unwrap_or(&[]);
        let name = find(attributes, ATTR_NAME);
        let index = find(attributes, ATTR_INDEX).and_then(|index| {
            let bytes = index.payload.get(..2)?.try_into().ok()?;
            Some(u16::from_be_bytes(bytes))
        });
        match (name, index) {
            (Some(name), Some(index)) => {
                let bytes = name.payload.split(|byte| *byte == 0).next();
                indexes.insert(escape::to_text(bytes.unwrap_or_default()), index);
            }
            _ => complete = false,
        }
    })?;
    if complete {
        Ok(indexes)
    } else {
        Err(netlink::Error::Malformed)
    }
}

/// Destroys a set that nothing refers to.
pub(super) fn destroy(name: &str) -> Result<(), Refusal> {
    command(CMD_DESTROY, name, None)
}

/// Exchanges the content of two sets; names and indexes stay together.
pub(super) fn swap(one: &str, other: &str) -> Result<(), Refusal> {
    command(CMD_SWAP, one, Some(other))
}

/// Gives a set that nothing refers to another name; its index stays.
pub(super) fn rename(from: &str, to: &str) -> Result<(), Refusal> {
    command(CMD_RENAME, from, Some(to))
}

fn command(command: u16, name: &str, other: Option<&str>) -> Result<(), Refusal> {
    exchange(command, name, other).map_or_else(
        |error| {
            Err(match error {
                netlink::Error::Errno(errno) => Refusal::of(errno.raw_os_error()),
                netlink::Error::Interrupted | netlink::Error::Malformed => {
                    Refusal::Other(Errno::BADMSG.raw_os_error())
                }
            })
        },
        |number| match number {
            0 => Ok(()),
            number => Err(Refusal::of(number)),
        },
    )
}

/// The kernel's error number, 0 for success. ip_set's own numbers are no
/// `errno`, so [`Socket::request`] cannot carry them.
fn exchange(command: u16, name: &str, other: Option<&str>) -> Result<i32, netlink::Error> {
    let mut socket = Socket::open(NETFILTER)?;
    let sequence = socket.next_sequence();
    let mut request = Builder::new();
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    request.begin(SUBSYSTEM | command, flags, sequence, &FAMILY_HEADER);
    request.put(ATTR_PROTOCOL, &[PROTOCOL_VERSION]);
    let terminated = |name| [escape::to_bytes(name).as_slice(), &[0]].concat();
    request.put(ATTR_NAME, &terminated(name));
    if let Some(other) = other {
        request.put(ATTR_OTHER_NAME, &terminated(other));
    }
    request.end();
    socket.send(request.as_bytes())?;
    loop {
        for message in socket.receive(RecvFlags::empty())? {
            if message.sequence == sequence && message.kind == NLMSG_ERROR {
                let bytes = message.payload.get(..4).and_then(|b| b.try_into().ok());
                let number = i32::from_ne_bytes(bytes.ok_or(netlink::Error::Malformed)?);
                return Ok(number.wrapping_neg());
            }
        }
    }
}
