//! Whose packet it is, from the first bytes of its headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::{Flow, Protocol};

const NFPROTO_IPV4: u32 = 2;
const NFPROTO_ARP: u32 = 3;
const NFPROTO_IPV6: u32 = 10;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q and 802.1ad: four more bytes before the type proper.
const ETHERTYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];
const IPPROTO_ICMP: u8 = 1;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_ICMPV6: u8 = 58;
/// The fragment offset in the IPv4 header's bytes 6 and 7.
const FRAGMENT_OFFSET: u16 = 0x1fff;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// `ARPOP_REPLY`.
const ARP_REPLY: u16 = 2;

/// A packet, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// One of a flow.
    Of {
        /// Its addresses as they stand in it.
        sent: Flow,
        /// Whether it answers another, where the packet itself tells.
        answer: Option<bool>,
    },
    /// ARP, or a neighbour solicitation or advertisement.
    Neighbour {
        /// Whether it is the answer.
        answer: bool,
    },
    /// Nothing that a probe needs: router solicitations, multicast listener reports, errors,
    /// later fragments, other protocols. Under an IPv6 extension header all packets are such,
    /// as the kernel shows the fixed header only.
    Other,
}

impl Packet {
    /// Reads what the kernel shows of a packet: `NFTA_TRACE_NFPROTO`, and the beginnings of
    /// the link, network and transport headers.
    pub fn read(
        nfproto: Option<u32>,
        link: Option<&[u8]>,
        network: &[u8],
        transport: &[u8],
    ) -> Self {
        let ethertype = match nfproto {
            Some(NFPROTO_IPV4) => Some(ETHERTYPE_IPV4),
            Some(NFPROTO_IPV6) => Some(ETHERTYPE_IPV6),
            Some(NFPROTO_ARP) => Some(ETHERTYPE_ARP),
            _ => link.and_then(ethertype).or_else(|| by_version(network)),
        };
        let read = match ethertype {
            Some(ETHERTYPE_IPV4) => ipv4(network, transport),
            Some(ETHERTYPE_IPV6) => ipv6(network, transport),
            Some(ETHERTYPE_ARP) => be16(network, 6).map(|operation| Self::Neighbour {
                answer: operation == ARP_REPLY,
            }),
            _ => None,
        };
        read.unwrap_or(Self::Other)
    }
}

fn ethertype(link: &[u8]) -> Option<u16> {
    let outer = be16(link, 12)?;
    if ETHERTYPE_VLAN.contains(&outer) {
        be16(link, 16)
    } else {
        Some(outer)
    }
}

/// Interfaces without a link header carry nothing but IP.
fn by_version(network: &[u8]) -> Option<u16> {
    match network.first()? >> 4 {
        4 => Some(ETHERTYPE_IPV4),
        6 => Some(ETHERTYPE_IPV6),
        _ => None,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn ipv4(network: &[u8], transport: &[u8]) -> Option<Packet> {
    if be16(network, 6)? & FRAGMENT_OFFSET != 0 {
        return None;
    }
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 4] = network.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes).into())
    };
    let ends = (address(12)?, address(16)?);
    match *network.get(9)? {
        IPPROTO_ICMP => echo(ends, *transport.first()?, ECHO_REQUEST, ECHO_REPLY),
        protocol => ports(ends, protocol, transport),
    }
}

fn ipv6(network: &[u8], transport: &[u8]) -> Option<Packet> {
    let address = |at: usize| -> Option<IpAddr> {
        let bytes: [u8; 16] = network.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes).into())
    };
    let ends = (address(8)?, address(24)?);
    match *network.get(6)? {
        IPPROTO_ICMPV6 => match *transport.first()? {
            NEIGHBOUR_SOLICITATION => Some(Packet::Neighbour { answer: false }),
            NEIGHBOUR_ADVERTISEMENT => Some(Packet::Neighbour { answer: true }),
            kind => echo(ends, kind, ECHO_REQUEST_V6, ECHO_REPLY_V6),
        },
        protocol => ports(ends, protocol, transport),
    }
}

fn echo(ends: (IpAddr, IpAddr), kind: u8, request: u8, reply: u8) -> Option<Packet> {
    let answer = match kind {
        _ if kind == request => false,
        _ if kind == reply => true,
        _ => return None,
    };
    Some(Packet::Of {
        sent: Flow {
            protocol: Protocol::Icmp,
            source: SocketAddr::new(ends.0, 0),
            destination: SocketAddr::new(ends.1, 0),
        },
        answer: Some(answer),
    })
}

fn ports(ends: (IpAddr, IpAddr), protocol: u8, transport: &[u8]) -> Option<Packet> {
    let protocol = match protocol {
        IPPROTO_TCP => Protocol::Tcp,
        IPPROTO_UDP => Protocol::Udp,
        _ => return None,
    };
    Some(Packet::Of {
        sent: Flow {
            protocol,
            source: SocketAddr::new(ends.0, be16(transport, 0)?),
            destination: SocketAddr::new(ends.1, be16(transport, 2)?),
        },
        answer: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, fragment: u16) -> Vec<u8> {
        let mut header = vec![0x45, 0, 0, 60, 0, 1];
        header.extend(fragment.to_be_bytes());
        header.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        header
    }

    fn v6(protocol: u8) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0, 0, 20, protocol, 64];
        header.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        header.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        header
    }

    fn flow(protocol: Protocol, source: &str, destination: &str) -> Flow {
        Flow {
            protocol,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    #[test]
    fn addresses_and_ports_are_those_in_the_headers() {
        let transport = [0xc0, 0, 0, 22];
        let sent = flow(Protocol::Tcp, "192.0.2.1:49152", "192.0.2.2:22");
        let tcp = Packet::Of { sent, answer: None };
        assert_eq!(Packet::read(Some(2), None, &v4(6, 0), &transport), tcp);
        let sent = flow(Protocol::Udp, "[2001:db8::1]:49152", "[2001:db8::2]:22");
        let udp = Packet::Of { sent, answer: None };
        assert_eq!(Packet::read(Some(10), None, &v6(17), &transport), udp);
    }

    #[test]
    fn on_an_ingress_hook_the_link_header_tells_the_protocol() {
        let mut link = vec![0; 12];
        link.extend([0x08, 0x00]);
        let transport = [0xc0, 0, 0, 22];
        let plain = Packet::read(Some(2), None, &v4(6, 0), &transport);
        assert_eq!(
            Packet::read(Some(5), Some(&link), &v4(6, 0), &transport),
            plain
        );
        link.splice(12..12, [0x81, 0, 0, 7]);
        assert_eq!(
            Packet::read(Some(5), Some(&link), &v4(6, 0), &transport),
            plain
        );
        assert_eq!(Packet::read(Some(5), None, &v4(6, 0), &transport), plain);
        let arp = [0, 1, 8, 0, 6, 4, 0, 2];
        let link = [&[0; 12], &[8, 6][..]].concat();
        let answer = Packet::Neighbour { answer: true };
        assert_eq!(Packet::read(Some(5), Some(&link), &arp, &[]), answer);
        // Hardware type 1 is no version of IP.
        assert_eq!(Packet::read(Some(5), None, &arp, &[]), Packet::Other);
    }

    #[test]
    fn echo_tells_its_direction_and_errors_are_nobodys() {
        let request = Packet::read(Some(2), None, &v4(1, 0), &[8, 0]);
        let sent = flow(Protocol::Icmp, "192.0.2.1:0", "192.0.2.2:0");
        let answer = Some(false);
        assert_eq!(request, Packet::Of { sent, answer });
        let reply = Packet::read(Some(10), None, &v6(58), &[129, 0]);
        let sent = flow(Protocol::Icmp, "[2001:db8::1]:0", "[2001:db8::2]:0");
        let answer = Some(true);
        assert_eq!(reply, Packet::Of { sent, answer });
        assert_eq!(
            Packet::read(Some(2), None, &v4(1, 0), &[3, 1]),
            Packet::Other
        );
    }

    #[test]
    fn only_solicitations_and_advertisements_of_neighbours_are_neighbours() {
        let of = |kind| Packet::read(Some(10), None, &v6(58), &[kind]);
        assert_eq!(of(135), Packet::Neighbour { answer: false });
        assert_eq!(of(136), Packet::Neighbour { answer: true });
        for kind in [133, 134, 137, 143] {
            assert_eq!(of(kind), Packet::Other, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_other() {
        let ports = [0xc0, 0, 0, 22];
        assert_eq!(
            Packet::read(Some(2), None, &v4(6, 5), &ports),
            Packet::Other
        );
        assert_eq!(
            Packet::read(Some(2), None, &v4(132, 0), &ports),
            Packet::Other
        );
        assert_eq!(Packet::read(Some(10), None, &v6(0), &ports), Packet::Other);
        for length in 0..20 {
            let cut = Packet::read(Some(2), None, &v4(6, 0)[..length], &ports);
            assert_eq!(cut, Packet::Other, "{length}");
        }
        assert_eq!(
            Packet::read(Some(2), None, &v4(6, 0), &ports[..3]),
            Packet::Other
        );
        assert_eq!(Packet::read(None, Some(&[]), &[], &[]), Packet::Other);
    }
}
