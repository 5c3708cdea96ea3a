//! A packet as far as it is known.

use std::net::IpAddr;

use super::numbers::state;
use super::protocols::{ICMP, ICMPV6, TCP, UDP};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `lo`, `eth0`, …
    pub name: String,
    /// `ifi_index`.
    pub index: u32,
}

impl Device {
    /// `lo`, which has index 1 in every namespace.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            name: "lo".to_owned(),
            index: 1,
        }
    }
}

/// A packet; `None` is what is not known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Whether it is IPv6.
    pub v6: bool,
    /// Where it came in.
    pub input: Option<Device>,
    /// Where it leaves.
    pub output: Option<Device>,
    /// The network header.
    pub network: Vec<Option<u8>>,
    /// The transport protocol.
    pub protocol: u8,
    /// The transport header.
    pub transport: Vec<Option<u8>>,
    /// Its bit of `ct state`.
    pub state: Option<u32>,
}

/// What a TCP packet carries (`linux/tcp.h`, byte 13).
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

impl Packet {
    /// Of `protocol` from `source` to `destination`; addresses of one family.
    #[must_use]
    pub fn new(
        source: Option<IpAddr>,
        destination: Option<IpAddr>,
        v6: bool,
        protocol: u8,
    ) -> Self {
        let mut network = if v6 { vec![None; 40] } else { vec![None; 20] };
        let (from, to, next) = if v6 { (8, 24, 6) } else { (12, 16, 9) };
        if v6 {
            // A traffic class begins in the other half.
            network[0] = None;
        } else {
            network[0] = Some(0x45);
            // Not a fragment.
            network[6] = Some(0x40);
            network[7] = Some(0);
        }
        network[next] = Some(protocol);
        put_address(&mut network, from, source);
        put_address(&mut network, to, destination);
        Self {
            v6,
            input: None,
            output: None,
            network,
            protocol,
            transport: Vec::new(),
            state: None,
        }
    }

    /// With the header of the first packet of a TCP connection.
    #[must_use]
    pub fn syn(self, from: Option<u16>, to: Option<u16>) -> Self {
        let mut packet = self.tcp(from, to, SYN);
        packet.state = Some(state::NEW);
        packet
    }

    /// With the header of a later packet of a TCP connection.
    #[must_use]
    pub fn ack(self, from: Option<u16>, to: Option<u16>) -> Self {
        let mut packet = self.tcp(from, to, ACK);
        packet.state = Some(state::ESTABLISHED);
        packet
    }

    fn tcp(mut self, from: Option<u16>, to: Option<u16>, flags: u8) -> Self {
        self.protocol = TCP;
        self.transport = vec![None; 20];
        self.put_ports(from, to);
        self.transport[13] = Some(flags);
        self
    }

    /// With the ports of a TCP or UDP packet, nothing else known.
    #[must_use]
    pub fn ports(mut self, from: Option<u16>, to: Option<u16>) -> Self {
        let length = if self.protocol == TCP { 20 } else { 8 };
        self.transport = vec![None; length];
        self.put_ports(from, to);
        self
    }

    /// With an ICMP or ICMPv6 header of `kind`, code 0.
    #[must_use]
    pub fn icmp(mut self, kind: u8) -> Self {
        self.transport = vec![None; 8];
        self.transport[0] = Some(kind);
        self.transport[1] = Some(0);
        self
    }

    /// Coming in by `device`.
    #[must_use]
    pub fn by(mut self, device: Option<Device>) -> Self {
        self.input = device;
        self
    }

    /// Leaving by `device`.
    #[must_use]
    pub fn out_by(mut self, device: Option<Device>) -> Self {
        self.output = device;
        self
    }

    /// In `state`.
    #[must_use]
    pub const fn in_state(mut self, state: Option<u32>) -> Self {
        self.state = state;
        self
    }

    /// With a hop limit, or time to live, of `hops`.
    #[must_use]
    pub fn hops(mut self, hops: u8) -> Self {
        let at = if self.v6 { 7 } else { 8 };
        self.network[at] = Some(hops);
        self
    }

    /// Which its sender may allow to be fragmented or not.
    #[must_use]
    pub fn fragmentable(mut self) -> Self {
        if !self.v6 {
            self.network[6] = None;
        }
        self
    }

    fn put_ports(&mut self, from: Option<u16>, to: Option<u16>) {
        for (at, port) in [(0, from), (2, to)] {
            let bytes = port.map(u16::to_be_bytes);
            self.transport[at] = bytes.map(|bytes| bytes[0]);
            self.transport[at + 1] = bytes.map(|bytes| bytes[1]);
        }
    }

    /// Source and destination port, where the protocol has such.
    #[must_use]
    pub fn port(&self, destination: bool) -> Option<u16> {
        // SCTP, DCCP and UDP-Lite have theirs in the same place.
        if !matches!(self.protocol, TCP | UDP | 33 | 132 | 136) {
            return None;
        }
        let at = if destination { 2 } else { 0 };
        let (high, low) = (*self.transport.get(at)?, *self.transport.get(at + 1)?);
        Some(u16::from_be_bytes([high?, low?]))
    }

    /// Type and code, of an ICMP or ICMPv6 packet.
    #[must_use]
    pub fn icmp_type(&self) -> Option<(u8, u8)> {
        if !matches!(self.protocol, ICMP | ICMPV6) {
            return None;
        }
        Some(((*self.transport.first()?)?, (*self.transport.get(1)?)?))
    }

    /// Source or destination address.
    #[must_use]
    pub fn address(&self, destination: bool) -> Option<IpAddr> {
        let (from, to, length) = if self.v6 { (8, 24, 16) } else { (12, 16, 4) };
        let at = if destination { to } else { from };
        let bytes: Option<Vec<u8>> = self.network.get(at..at + length)?.iter().copied().collect();
        let bytes = bytes?;
        if self.v6 {
            <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
        } else {
            <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from)
        }
    }
}

fn put_address(header: &mut [Option<u8>], at: usize, address: Option<IpAddr>) {
    let bytes: Vec<u8> = match address {
        Some(IpAddr::V4(v4)) => v4.octets().to_vec(),
        Some(IpAddr::V6(v6)) => v6.octets().to_vec(),
        None => return,
    };
    for (place, byte) in header.iter_mut().skip(at).zip(bytes) {
        *place = Some(byte);
    }
}
