//! What the rehearsal has to know about this host. Reads only, in the calling
//! thread's network namespace.

mod about;
mod addresses;
mod client_ports;
mod links;
mod listening;
mod lister;
mod needs;
mod neighbours;
mod path;
mod policies;
mod programs;
mod read;
mod routes;
mod sysctls;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::Protocol;
pub use path::path_to;
pub(in crate::rehearsal) use path::{Question, paths};
pub use read::Error;

/// This host, as far as a rehearsal needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Network interfaces, by index; `lo` included.
    pub links: BTreeMap<u32, Link>,
    /// Addresses of the interfaces; those of `lo` included.
    pub addresses: Vec<Address>,
    /// Routes of all tables; those that the kernel itself puts into `local` are left out.
    pub routes: Vec<Route>,
    /// Policy routing rules other than the kernel's own three, as dumped (`struct fib_rule_hdr`
    /// and attributes).
    pub policies: Vec<Vec<u8>>,
    /// Neighbours with a known hardware address.
    pub neighbours: Vec<Neighbour>,
    /// Values below `/proc/sys` that decide about packets: path without `/proc/sys/`, value.
    pub sysctls: BTreeMap<String, String>,
    /// The sockets that wait for others.
    pub listening: Vec<Listening>,
    /// Whom the host itself has to reach.
    pub needs: Vec<Need>,
    /// What could not be read, or was left out, in words for people.
    pub left_out: Vec<String>,
}

/// A network interface (`struct ifinfomsg`, `linux/if_link.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `ifi_index`.
    pub index: u32,
    /// The name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// `ARPHRD_*`: 1 is Ethernet.
    pub hardware: u16,
    /// The hardware address, if it is an Ethernet one.
    pub mac: Option<[u8; 6]>,
    /// In bytes.
    pub mtu: u32,
    /// `IFLA_GROUP`.
    pub group: u32,
    /// `IFLA_INFO_KIND`, such as `bridge` or `wireguard`.
    pub kind: Option<String>,
    /// The interface that this one is a port of.
    pub master: Option<u32>,
}

/// An address of an interface (`struct ifaddrmsg`, `linux/if_addr.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub link: u32,
    /// The address of this host.
    pub ip: IpAddr,
    /// The length of the prefix, in bits.
    pub prefix: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
}

/// A route (`struct rtmsg`, `linux/rtnetlink.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Header and attributes as dumped.
    pub raw: Vec<u8>,
    /// `RT_TABLE_*`, 254 is main.
    pub table: u32,
    /// `RTPROT_*`, 2 is the kernel's own.
    pub protocol: u8,
    /// The destination; `None` is the default route.
    pub destination: Option<(IpAddr, u8)>,
    /// Whether it is for IPv6.
    pub v6: bool,
    /// The interfaces that it leads out by.
    pub links: Vec<u32>,
    /// The next hops.
    pub gateways: Vec<IpAddr>,
}

/// A neighbour whose hardware address is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The interface that it is seen on.
    pub link: u32,
    /// Its address.
    pub ip: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// A socket that waits for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Address, which may be unspecified, and port.
    pub address: SocketAddr,
    /// Whether an IPv6 socket takes no IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
    /// The interface that it is bound to (`SO_BINDTODEVICE`).
    pub device: Option<u32>,
    /// The user that it belongs to.
    pub uid: u32,
    /// The program's name, where it can be found.
    pub program: Option<String>,
}

/// Whom the host itself has to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What for, in a few words: `resolver`, `default gateway`, `time server`, `package mirrors`.
    pub purpose: String,
    /// How it is reached.
    pub protocol: Protocol,
    /// Its address; `None` where any host of the Internet stands for it.
    pub ip: Option<IpAddr>,
    /// Its port; 0 for ICMP.
    pub port: u16,
}

/// How packets to an address leave (`RTM_GETROUTE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The interface.
    pub link: u32,
    /// The next hop; `None` where the address is on the link.
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel would take.
    pub source: Option<IpAddr>,
}
