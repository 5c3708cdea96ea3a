//! Lists of the kernel's network objects (`rtnetlink(7)`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;

use super::Error;
use crate::netlink::{self, Builder, Socket};

/// `AF_INET`.
pub(super) const V4: u8 = 2;
/// `AF_INET6`.
pub(super) const V6: u8 = 10;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// How often a list that changes while it is read is read again.
const ATTEMPTS: u32 = 5;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// In words for people, plural: `routes`.
    pub what: &'static str,
    /// `RTM_GET*`.
    pub kind: u16,
    /// `struct ifinfomsg` and so on, with the address family in its first byte.
    pub header: &'a [u8],
    /// What follows the header.
    pub attributes: &'a [(u16, &'a [u8])],
}

/// A socket to ask with.
#[derive(Debug)]
pub(super) struct Rtnetlink {
    socket: Socket,
    /// What changed each time it was read.
    pub unsettled: Vec<&'static str>,
}

impl Rtnetlink {
    /// Opens it in the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Socket::open`].
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open(None).map_err(|source| Error {
            what: "network interfaces",
            source,
        })?;
        Ok(Self {
            socket,
            unsettled: Vec::new(),
        })
    }

    /// Gathers all answers with `gather`. An address family that the kernel does not
    /// have has none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn dump<T: Default>(
        &mut self,
        query: Query<'_>,
        gather: impl Fn(&mut T, &[u8]),
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            let sequence = self.socket.next_sequence();
            let mut message = Builder::new();
            let flags = NLM_F_REQUEST | NLM_F_DUMP;
            message.begin(query.kind, flags, sequence, query.header);
            for (kind, payload) in query.attributes {
                message.put(*kind, payload);
            }
            message.end();
            let mut found = T::default();
            let done = self.socket.request(message.as_bytes(), sequence, |answer| {
                gather(&mut found, answer.payload);
            });
            match done {
                Ok(()) => return Ok(found),
                Err(netlink::Error::Interrupted) if attempt < ATTEMPTS => attempt += 1,
                Err(netlink::Error::Interrupted) => {
                    self.unsettled.push(query.what);
                    return Ok(found);
                }
                Err(netlink::Error::Errno(Errno::AFNOSUPPORT | Errno::OPNOTSUPP)) => {
                    return Ok(T::default());
                }
                Err(source) => {
                    return Err(Error {
                        what: query.what,
                        source,
                    });
                }
            }
        }
    }
}

/// An address as it stands in an attribute: 4 or 16 bytes.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(v6).into())
}

/// The bytes of an address, and its `AF_*`.
pub(super) fn octets(ip: IpAddr) -> (u8, Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => (V4, v4.octets().to_vec()),
        IpAddr::V6(v6) => (V6, v6.octets().to_vec()),
    }
}

/// A 32-bit number in the machine's byte order.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
