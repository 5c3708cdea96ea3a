//! Many rtnetlink requests in few datagrams (`rtnetlink(7)`, `linux/rtnetlink.h`).

use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::address::octets;
use super::{Builder, Error, Message, Socket};

/// `RTM_NEWLINK`.
pub const RTM_NEWLINK: u16 = 16;
/// `RTM_GETLINK`.
pub const RTM_GETLINK: u16 = 18;
/// `RTM_NEWADDR`.
pub const RTM_NEWADDR: u16 = 20;
/// `RTM_GETADDR`.
pub const RTM_GETADDR: u16 = 22;
/// `RTM_NEWROUTE`.
pub const RTM_NEWROUTE: u16 = 24;
/// `RTM_GETROUTE`.
pub const RTM_GETROUTE: u16 = 26;
/// `RTM_DELNEIGH`.
pub const RTM_DELNEIGH: u16 = 29;
/// `RTM_GETNEIGH`.
pub const RTM_GETNEIGH: u16 = 30;
/// `RTM_NEWRULE`.
pub const RTM_NEWRULE: u16 = 32;
/// `RTM_GETRULE`.
pub const RTM_GETRULE: u16 = 34;
/// `RTM_SETNEIGHTBL`.
pub const RTM_SETNEIGHTBL: u16 = 67;
/// Length of `struct ifinfomsg` (family, padding, type, index, flags, changed flags), in bytes.
pub const IFINFOMSG_BYTES: usize = 16;
/// Length of `struct ifaddrmsg` (family, length of the prefix, flags, scope, interface), in bytes.
pub const IFADDRMSG_BYTES: usize = 8;
/// Length of `struct rtmsg` (family, lengths of destination and source, TOS, table, protocol, scope, type, flags), in bytes.
pub const RTMSG_BYTES: usize = 12;
/// Length of `struct ndmsg` (family, padding, interface, state, flags, type), in bytes.
pub const NDMSG_BYTES: usize = 12;
/// `NLM_F_CREATE | NLM_F_EXCL`.
pub const CREATE_EXCLUSIVE: u16 = 0x600;
/// `NLM_F_CREATE | NLM_F_APPEND`.
pub const CREATE_APPEND: u16 = 0xc00;
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
pub struct Request {
    kind: u16,
    flags: u16,
    /// Family header and attributes.
    pub body: Builder,
}

impl Request {
    /// A message of type `kind` that starts with `header`; `flags` are `NLM_F_*`.
    #[must_use]
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut body = Builder::new();
        body.append(header);
        Self { kind, flags, body }
    }

    /// With a number in the machine's byte order.
    #[must_use]
    pub fn number(mut self, attribute: u16, value: u32) -> Self {
        self.body.put(attribute, &value.to_ne_bytes());
        self
    }

    /// With a string.
    #[must_use]
    pub fn text(mut self, attribute: u16, value: &str) -> Self {
        self.body.put_text(attribute, value);
        self
    }

    /// With an address.
    #[must_use]
    pub fn ip(mut self, attribute: u16, value: IpAddr) -> Self {
        self.body.put(attribute, &octets(value));
        self
    }

    /// With bytes.
    #[must_use]
    pub fn bytes(mut self, attribute: u16, value: &[u8]) -> Self {
        self.body.put(attribute, value);
        self
    }
}

/// A socket of rtnetlink; it keeps the namespace that it was opened in.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// In the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Socket::open`].
    pub fn here() -> Result<Self, Error> {
        let socket = Socket::open(None)?;
        Ok(Self { socket })
    }

    /// Sends all requests in order: what the kernel refused, by place in `requests`.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn apply(&mut self, requests: &[Request]) -> Result<Vec<(usize, Errno)>, Error> {
        self.exchange(requests, |_, _| {})
    }

    /// As [`Rtnl::apply`]; `each` gets every answer with the place of its request.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn exchange(
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

    /// Lists what `read` makes of each object.
    ///
    /// # Errors
    /// What the kernel says; [`Error::Interrupted`] for a list that kept changing.
    pub fn dump<T>(
        &mut self,
        kind: u16,
        header: &[u8],
        read: impl Fn(Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let gather = |found: &mut Vec<T>, message: Message<'_>| found.extend(read(message));
        match self.gather(&Request::new(kind, 0, header), gather)? {
            (found, true) => Ok(found),
            (_, false) => Err(Error::Interrupted),
        }
    }

    /// Gathers the answers to a request for a list; a list that changed meanwhile is asked for
    /// again. Whether it was the same from beginning to end at last.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn gather<T: Default>(
        &mut self,
        request: &Request,
        gather: impl Fn(&mut T, Message<'_>),
    ) -> Result<(T, bool), Error> {
        let mut attempt = 1;
        loop {
            let sequence = self.socket.next_sequence();
            let mut datagram = Builder::new();
            let flags = NLM_F_REQUEST | DUMP | request.flags;
            datagram.begin(request.kind, flags, sequence, request.body.as_bytes());
            datagram.end();
            let mut found = T::default();
            let done = self
                .socket
                .request(datagram.as_bytes(), sequence, |message| {
                    gather(&mut found, message);
                });
            match done {
                Ok(()) => return Ok((found, true)),
                Err(Error::Interrupted) if attempt < DUMP_ATTEMPTS => attempt += 1,
                Err(Error::Interrupted) => return Ok((found, false)),
                Err(other) => return Err(other),
            }
        }
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
