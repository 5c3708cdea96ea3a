//! Many rtnetlink requests in few datagrams (`rtnetlink(7)`, `linux/rtnetlink.h`).

use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::netlink::{Builder, Error, Message, Socket};
use crate::netns::NetNs;

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_GETADDR: u16 = 22;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_DELNEIGH: u16 = 29;
pub(super) const RTM_GETNEIGH: u16 = 30;
pub(super) const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_SETNEIGHTBL: u16 = 67;
/// `NLM_F_CREATE | NLM_F_EXCL`.
pub(super) const CREATE_EXCLUSIVE: u16 = 0x600;
/// `NLM_F_CREATE | NLM_F_APPEND`.
pub(super) const CREATE_APPEND: u16 = 0xc00;
/// `NLM_F_DUMP`.
const DUMP: u16 = 0x300;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
/// One datagram holds about this many bytes; the kernel answers each message in it by itself.
const DATAGRAM_BYTES: usize = 32 * 1024;
/// How often a list that changed while it was read is read again.
const DUMP_ATTEMPTS: usize = 10;

/// One message without its `nlmsghdr`.
#[derive(Debug, Clone)]
pub(super) struct Request {
    kind: u16,
    flags: u16,
    /// Family header and attributes.
    pub(super) body: Builder,
}

impl Request {
    /// A message of type `kind` that starts with `header`; `flags` are `NLM_F_*`.
    pub(super) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut body = Builder::new();
        body.append(header);
        Self { kind, flags, body }
    }

    /// With a number in the machine's byte order.
    pub(super) fn number(mut self, attribute: u16, value: u32) -> Self {
        self.body.put(attribute, &value.to_ne_bytes());
        self
    }

    /// With a string.
    pub(super) fn text(mut self, attribute: u16, value: &str) -> Self {
        self.body.put_text(attribute, value);
        self
    }

    /// With an address.
    pub(super) fn ip(mut self, attribute: u16, value: IpAddr) -> Self {
        self.body.put(attribute, &octets(value));
        self
    }

    /// With bytes.
    pub(super) fn bytes(mut self, attribute: u16, value: &[u8]) -> Self {
        self.body.put(attribute, value);
        self
    }
}

/// The bytes of an address in network byte order.
pub(super) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) const fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

/// An address of either family from its bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Whether the first `prefix` bits of both addresses are the same.
pub(super) fn same_prefix(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let shift = 32_u32.saturating_sub(u32::from(prefix));
            (one.to_bits() ^ other.to_bits())
                .checked_shr(shift)
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let shift = 128_u32.saturating_sub(u32::from(prefix));
            (one.to_bits() ^ other.to_bits())
                .checked_shr(shift)
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// `32` or `128`.
pub(super) const fn full_prefix(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// A socket of rtnetlink; it keeps the namespace that it was opened in.
#[derive(Debug)]
pub(super) struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// In the calling thread's network namespace.
    pub(super) fn here() -> Result<Self, Error> {
        let socket = Socket::open(None)?;
        Ok(Self { socket })
    }

    /// In `namespace`.
    pub(super) fn inside(namespace: &NetNs) -> Result<Self, Error> {
        let opened = namespace.enter(Self::here);
        opened.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?
    }

    /// Sends all requests in order: what the kernel refused, by place in `requests`.
    pub(super) fn apply(&mut self, requests: &[Request]) -> Result<Vec<(usize, Errno)>, Error> {
        self.exchange(requests, |_, _| {})
    }

    /// As [`Rtnl::apply`]; `each` gets every answer with the place of its request.
    pub(super) fn exchange(
        &mut self,
        requests: &[Request],
        mut each: impl FnMut(usize, Message<'_>),
    ) -> Result<Vec<(usize, Errno)>, Error> {
        let mut refused = Vec::new();
        let mut done = 0;
        while done < requests.len() {
            let mut datagram = Builder::new();
            let first_sequence = self.socket.next_sequence();
            let mut sequence = first_sequence;
            let mut count = 0;
            for request in &requests[done..] {
                let body = request.body.as_bytes();
                let next = requests.get(done + count + 1);
                let bytes = datagram.as_bytes().len() + body.len();
                // Only the last is acknowledged: errors are told for each.
                let last = next
                    .is_none_or(|next| bytes + next.body.as_bytes().len() + 1024 > DATAGRAM_BYTES);
                let ack = if last { NLM_F_ACK } else { 0 };
                let flags = NLM_F_REQUEST | request.flags | ack;
                datagram.begin(request.kind, flags, sequence, body);
                datagram.end();
                count += 1;
                if last {
                    break;
                }
                sequence = self.socket.next_sequence();
            }
            self.socket.send(datagram.as_bytes())?;
            self.collect(first_sequence, sequence, |place, answer| match answer {
                Ok(message) => each(done + place, message),
                Err(errno) => refused.push((done + place, errno)),
            })?;
            done += count;
        }
        Ok(refused)
    }

    /// Reads answers until the request with the sequence number `last` is acknowledged.
    fn collect(
        &mut self,
        first: u32,
        last: u32,
        mut each: impl FnMut(usize, Result<Message<'_>, Errno>),
    ) -> Result<(), Error> {
        loop {
            let mut finished = false;
            for message in self.socket.receive(RecvFlags::empty())? {
                if !(first..=last).contains(&message.sequence) {
                    continue;
                }
                let place = (message.sequence - first) as usize;
                if message.kind != NLMSG_ERROR {
                    each(place, Ok(message));
                    continue;
                }
                finished |= message.sequence == last;
                match error_number(message.payload)? {
                    0 => {}
                    number => each(place, Err(Errno::from_raw_os_error(number))),
                }
            }
            if finished {
                return Ok(());
            }
        }
    }

    /// Lists what `read` makes of each object; a list that changed meanwhile is asked for again.
    pub(super) fn dump<T>(
        &mut self,
        kind: u16,
        header: &[u8],
        read: impl Fn(Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut result = Err(Error::Interrupted);
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.socket.next_sequence();
            let mut request = Builder::new();
            request.begin(kind, NLM_F_REQUEST | DUMP, sequence, header);
            request.end();
            let mut found = Vec::new();
            let bytes = request.as_bytes();
            let done = self.socket.request(bytes, sequence, |message| {
                found.extend(read(message));
            });
            result = done.map(|()| found);
            if !matches!(result, Err(Error::Interrupted)) {
                break;
            }
        }
        result
    }
}

/// The error of `NLMSG_ERROR`, positive; 0 is an acknowledgement.
fn error_number(payload: &[u8]) -> Result<i32, Error> {
    let bytes = payload.get(..4).and_then(|four| four.try_into().ok());
    let number = i32::from_ne_bytes(bytes.ok_or(Error::Malformed)?);
    match number {
        -4095..=0 => Ok(-number),
        _ => Err(Error::Malformed),
    }
}
