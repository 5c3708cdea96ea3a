//! Following packets through legacy tables.
//!
//! These too see that a packet is traced, and write every rule that it matches to the log
//! (`trace_packet`, `net/ipv4/netfilter/ip_tables.c`): `TRACE: filter:INPUT:rule:3 `. In a
//! namespace of its own the log can be had over netlink (`linux/netfilter/nfnetlink_log.h`).
//! What the rule does is not said; that has to be looked up.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::netlink::NETFILTER;

use super::packet::Packet;
use crate::legacy::Family;
use crate::netlink::{Builder, Error, Message, Socket, find};

/// `NFNL_SUBSYS_ULOG`, in the upper byte of a message type.
const SUBSYSTEM: u16 = 4;
const NFULNL_MSG_PACKET: u16 = 0;
const NFULNL_MSG_CONFIG: u16 = 1;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;
const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_CFG_CMD_PF_BIND: u8 = 3;
const NFULNL_COPY_PACKET: u8 = 2;
/// The longest IPv4 header, and ports.
const COPY_BYTES: u32 = 64;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const IPV6_HEADER_BYTES: usize = 40;
/// Length of `struct nfgenmsg`, in bytes.
const FAMILY_HEADER_BYTES: usize = 4;

/// A rule, or the end of a chain, that a packet came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Whose table.
    pub family: Family,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule, from 1; one more than there are rules is the chain's end.
    pub number: usize,
    /// The packet.
    pub packet: Packet,
}

/// Gets what legacy tables log about traced packets.
#[derive(Debug)]
pub struct Log {
    socket: Socket,
}

impl Log {
    /// Starts to listen in the calling thread's namespace; nothing where the kernel cannot.
    pub fn open() -> Option<Self> {
        let mut socket = Socket::open(NETFILTER).ok()?;
        let mut command = |family: u8, kind: u16, value: &[u8]| {
            let sequence = socket.next_sequence();
            let mut request = Builder::new();
            let flags = NLM_F_REQUEST | NLM_F_ACK;
            // Group 0, which is where the log of traces goes.
            let header = [family, 0, 0, 0];
            request.begin(SUBSYSTEM << 8 | NFULNL_MSG_CONFIG, flags, sequence, &header);
            request.put(kind, value);
            request.end();
            socket.request(request.as_bytes(), sequence, |_| {})
        };
        for family in [NFPROTO_IPV4, NFPROTO_IPV6] {
            command(family, NFULA_CFG_CMD, &[NFULNL_CFG_CMD_PF_BIND]).ok()?;
        }
        command(0, NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]).ok()?;
        // `struct nfulnl_msg_config_mode`: how much, what, padding.
        let mut mode = COPY_BYTES.to_be_bytes().to_vec();
        mode.extend([NFULNL_COPY_PACKET, 0]);
        command(0, NFULA_CFG_MODE, &mode).ok()?;
        // Each message by itself, and at once.
        command(0, NFULA_CFG_QTHRESH, &1_u32.to_be_bytes()).ok()?;
        Some(Self { socket })
    }

    /// The next messages; nothing when none are queued.
    ///
    /// # Errors
    /// What `recv(2)` says; `ENOBUFS` when some did not fit.
    pub fn read(&mut self) -> Result<Option<Vec<Arrival>>, Error> {
        match self.socket.receive(RecvFlags::DONTWAIT) {
            Ok(messages) => Ok(Some(
                messages.filter_map(|one| Arrival::read(&one)).collect(),
            )),
            Err(Error::Errno(Errno::AGAIN)) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Arrival {
    fn read(message: &Message<'_>) -> Option<Self> {
        if message.kind != SUBSYSTEM << 8 | NFULNL_MSG_PACKET {
            return None;
        }
        let (header, attributes) = message.payload.split_at_checked(FAMILY_HEADER_BYTES)?;
        let bytes = find(attributes, NFULA_PAYLOAD)?.payload;
        let (family, transport_at) = match header[0] {
            NFPROTO_IPV4 => (Family::V4, usize::from(bytes.first()? & 0xf) * 4),
            NFPROTO_IPV6 => (Family::V6, IPV6_HEADER_BYTES),
            _ => return None,
        };
        let (table, chain, number) = place(&find(attributes, NFULA_PREFIX)?.text())?;
        let transport = bytes.get(transport_at..).unwrap_or(&[]);
        Some(Self {
            family,
            table,
            chain,
            number,
            packet: Packet::read(Some(u32::from(header[0])), None, bytes, transport),
        })
    }
}

/// Table, chain and number in `TRACE: filter:INPUT:rule:3 `; chains may have colons in
/// their names. Whether it says `rule`, `return` or `policy` tells nothing: a rule without
/// matches is taken for the chain's end.
fn place(prefix: &str) -> Option<(String, String, usize)> {
    let text = prefix.strip_prefix("TRACE: ")?.trim_end();
    let (table, rest) = text.split_once(':')?;
    let mut from_end = rest.rsplitn(3, ':');
    let number = from_end.next()?.parse().ok()?;
    let _comment = from_end.next()?;
    Some((table.to_owned(), from_end.next()?.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn places_are_read_from_prefixes() {
        let of =
            |table: &str, chain: &str, number| Some((table.to_owned(), chain.to_owned(), number));
        assert_eq!(
            place("TRACE: filter:INPUT:rule:3 "),
            of("filter", "INPUT", 3)
        );
        assert_eq!(place("TRACE: raw:a:b:policy:12 "), of("raw", "a:b", 12));
        assert_eq!(place("filter:INPUT:rule:3 "), None);
        assert_eq!(place("TRACE: filter:INPUT:3"), None);
        assert_eq!(place("TRACE: "), None);
    }
}
