//! Entries of connection tracking (`linux/netfilter/nfnetlink_conntrack.h`), in the calling
//! thread's network namespace. Asking tracks nothing and loads no module.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

use super::{Flow, Protocol};
use crate::netlink::{self, Attribute, Builder, Message, Socket, find};

/// `NFNL_SUBSYS_CTNETLINK << 8`; the lower byte is the message.
const CTNETLINK: u16 = 1 << 8;
const IPCTNL_MSG_CT_NEW: u16 = 0;
const IPCTNL_MSG_CT_GET: u16 = 1;
const IPCTNL_MSG_CT_DELETE: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
/// Length of `struct nfgenmsg`, in bytes.
const NFGENMSG_BYTES: usize = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_MARK: u16 = 8;
const CTA_LABELS: u16 = 22;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
/// There as long as the kernel can track connections.
const TRACKER: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// `IPS_SEEN_REPLY`: packets went both ways.
pub const SEEN_REPLY: u32 = 1 << 1;
/// `IPS_ASSURED`: not given up for lack of room.
pub const ASSURED: u32 = 1 << 2;
/// `IPS_CONFIRMED`: its first packet left the rules.
pub const CONFIRMED: u32 = 1 << 3;
/// `IPS_SRC_NAT`: the sender's address is rewritten.
pub const SRC_NAT: u32 = 1 << 4;
/// `IPS_DST_NAT`: the receiver's address or port is rewritten.
pub const DST_NAT: u32 = 1 << 5;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel tracks connections but does not tell about them (`nf_conntrack_netlink`).
    #[error("the kernel does not tell which connections it tracks (nf_conntrack_netlink)")]
    Unsupported,
    /// The kernel refused, or the socket failed.
    #[error("connection tracking: {0}")]
    Kernel(netlink::Error),
}

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The first packet, before any rewriting.
    pub original: Flow,
    /// The answer to it as it is sent: the sender's own view of a connection that was
    /// rewritten on its way to this host.
    pub reply: Flow,
    /// `ct mark`, `CONNMARK`.
    pub mark: u32,
    /// `IPS_*`.
    pub status: u32,
    /// `TCP_CONNTRACK_*`, 3 is established; `None` if it is not TCP.
    pub tcp_state: Option<u8>,
    /// `ct label`, `connlabel`: 128 bits, empty where there are none.
    pub labels: Vec<u8>,
}

/// The connection that packets of `flow` belong to, as sent in either direction: for a
/// socket of this host that is its own end to the other end. `None` if it is not tracked,
/// in a zone other than 0, or ICMP.
///
/// # Errors
/// [`Error`].
pub fn lookup(flow: &Flow) -> Result<Option<Entry>, Error> {
    let mut found = None;
    let done = ask(IPCTNL_MSG_CT_GET, flow, None, |message| {
        found = found.take().or_else(|| entry(message.payload));
    })?;
    Ok(found.filter(|_| done))
}

/// Forgets the connection of `flow`; whether there was one.
///
/// # Errors
/// [`Error`].
pub fn delete(flow: &Flow) -> Result<bool, Error> {
    ask(IPCTNL_MSG_CT_DELETE, flow, None, |_| {})
}

/// Gives the connection of `flow` a mark; whether there is one.
///
/// # Errors
/// [`Error`].
pub fn set_mark(flow: &Flow, mark: u32) -> Result<bool, Error> {
    ask(IPCTNL_MSG_CT_NEW, flow, Some(mark), |_| {})
}

/// Whether the kernel knew the connection.
fn ask(
    message: u16,
    flow: &Flow,
    mark: Option<u32>,
    each: impl FnMut(Message<'_>),
) -> Result<bool, Error> {
    let Some(number) = number_of(flow.protocol) else {
        return Ok(false);
    };
    // A question alone would load the modules.
    if !fs::exists(Path::new(TRACKER)).unwrap_or(false) {
        return Ok(false);
    }
    let source = canonical(flow.source);
    let destination = canonical(flow.destination);
    let family = match (source.ip(), destination.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AF_INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => AF_INET6,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Ok(false),
    };
    let mut socket = match Socket::open(NETFILTER) {
        Err(netlink::Error::Errno(Errno::PROTONOSUPPORT)) => return Err(Error::Unsupported),
        other => other.map_err(Error::Kernel)?,
    };
    let sequence = socket.next_sequence();
    let mut request = Builder::new();
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    request.begin(CTNETLINK | message, flags, sequence, &[family, 0, 0, 0]);
    // The kernel finds a connection by either of its tuples, whichever this is called.
    request.nest(CTA_TUPLE_ORIG, |tuple| {
        put_tuple(tuple, source, destination, number)
    });
    if let Some(mark) = mark {
        request.put_be32(CTA_MARK, mark);
    }
    request.end();
    match socket.request(request.as_bytes(), sequence, each) {
        Ok(()) => Ok(true),
        Err(netlink::Error::Errno(Errno::NOENT)) => Ok(false),
        Err(netlink::Error::Errno(Errno::INVAL | Errno::OPNOTSUPP)) => Err(Error::Unsupported),
        Err(error) => Err(Error::Kernel(error)),
    }
}

const fn number_of(protocol: Protocol) -> Option<u8> {
    match protocol {
        Protocol::Tcp => Some(IPPROTO_TCP),
        Protocol::Udp => Some(IPPROTO_UDP),
        // Told apart by an identifier that a flow does not have.
        Protocol::Icmp => None,
    }
}

/// IPv4 within IPv6 is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn put_tuple(tuple: &mut Builder, source: SocketAddr, destination: SocketAddr, number: u8) {
    tuple.nest(CTA_TUPLE_IP, |ip| {
        for (end, four, sixteen) in [
            (source, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
            (destination, CTA_IP_V4_DST, CTA_IP_V6_DST),
        ] {
            match end.ip() {
                IpAddr::V4(address) => ip.put(four, &address.octets()),
                IpAddr::V6(address) => ip.put(sixteen, &address.octets()),
            }
        }
    });
    tuple.nest(CTA_TUPLE_PROTO, |protocol| {
        protocol.put(CTA_PROTO_NUM, &[number]);
        protocol.put(CTA_PROTO_SRC_PORT, &source.port().to_be_bytes());
        protocol.put(CTA_PROTO_DST_PORT, &destination.port().to_be_bytes());
    });
}

fn entry(payload: &[u8]) -> Option<Entry> {
    let attributes = payload.get(NFGENMSG_BYTES..)?;
    let number = |kind| find(attributes, kind).and_then(|one| one.be32());
    let state = || {
        let tcp = find(find(attributes, CTA_PROTOINFO)?.payload, CTA_PROTOINFO_TCP)?;
        find(tcp.payload, CTA_PROTOINFO_TCP_STATE)?
            .payload
            .first()
            .copied()
    };
    Some(Entry {
        original: flow(find(attributes, CTA_TUPLE_ORIG)?)?,
        reply: flow(find(attributes, CTA_TUPLE_REPLY)?)?,
        mark: number(CTA_MARK).unwrap_or(0),
        status: number(CTA_STATUS).unwrap_or(0),
        tcp_state: state(),
        labels: find(attributes, CTA_LABELS).map_or_else(Vec::new, |one| one.payload.to_vec()),
    })
}

fn flow(tuple: Attribute<'_>) -> Option<Flow> {
    let ip = find(tuple.payload, CTA_TUPLE_IP)?.payload;
    let protocol = find(tuple.payload, CTA_TUPLE_PROTO)?.payload;
    let address = |four, sixteen| -> Option<IpAddr> {
        if let Some(one) = find(ip, four) {
            return Some(<[u8; 4]>::try_from(one.payload).ok()?.into());
        }
        Some(
            <[u8; 16]>::try_from(find(ip, sixteen)?.payload)
                .ok()?
                .into(),
        )
    };
    let port = |kind| -> Option<u16> {
        let bytes = find(protocol, kind)?.payload;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    Some(Flow {
        protocol: match *find(protocol, CTA_PROTO_NUM)?.payload.first()? {
            IPPROTO_TCP => Protocol::Tcp,
            IPPROTO_UDP => Protocol::Udp,
            _ => return None,
        },
        source: SocketAddr::new(
            address(CTA_IP_V4_SRC, CTA_IP_V6_SRC)?,
            port(CTA_PROTO_SRC_PORT)?,
        ),
        destination: SocketAddr::new(
            address(CTA_IP_V4_DST, CTA_IP_V6_DST)?,
            port(CTA_PROTO_DST_PORT)?,
        ),
    })
}
