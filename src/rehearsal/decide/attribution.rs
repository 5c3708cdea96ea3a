//! Which flow a packet belongs to, and whether it goes the way of the first or back.
//!
//! A packet may change its addresses on its way through a host. The kernel's number for it
//! stays, so it keeps the flow that it had when it was first seen; and where it came out
//! with other addresses, answers to those belong to its flow too.

use std::collections::HashMap;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use super::super::Flow;
use super::packet::Packet;

/// More packets than that are never under way; the kernel's numbers of those that legacy
/// rules stopped are never told to be free.
const PACKETS_MAX: usize = 1 << 16;

/// A packet and where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// To a flow: as it was begun, and whether the packet goes the other way.
    To(Flow, bool),
    /// To ARP or neighbour discovery; whether it is an answer.
    Neighbours(bool),
    /// To nothing that matters.
    Nowhere,
}

/// All flows seen or announced.
#[derive(Debug, Default)]
pub struct Attribution {
    /// The addresses of a flow's first packet, and the flow: as it was announced, or the same.
    begun: HashMap<Flow, Flow>,
    /// What addresses were translated to on the way in, and the flow.
    translated: HashMap<Flow, Flow>,
    /// Packets under way.
    packets: HashMap<u32, Belongs>,
}

impl Attribution {
    /// Makes a flow known before its first packet, or one whose first packet is long gone.
    pub fn expect(&mut self, flow: Flow) {
        self.begun.insert(plain(flow), flow);
    }

    /// Takes note of the packet that now has number `id`; `enters` where it was not seen before.
    pub fn see(&mut self, id: u32, enters: bool, packet: Packet) {
        let known = self.packets.get(&id).copied().filter(|_| !enters);
        match (known, packet) {
            (Some(Belongs::To(flow, false)), Packet::Of { sent, .. }) => {
                if !self.begun.contains_key(&sent) {
                    self.translated.insert(sent, flow);
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                let belongs = self.attribute(packet);
                if self.packets.len() >= PACKETS_MAX {
                    self.packets.clear();
                }
                self.packets.insert(id, belongs);
            }
        }
    }

    /// Where packet `id` belongs.
    pub fn of(&self, id: u32) -> Belongs {
        self.packets.get(&id).copied().unwrap_or(Belongs::Nowhere)
    }

    /// Packet `id` is gone.
    pub fn forget(&mut self, id: u32) {
        self.packets.remove(&id);
    }

    /// Where a packet belongs, by nothing but its addresses.
    pub fn attribute(&mut self, packet: Packet) -> Belongs {
        let (sent, answer) = match packet {
            Packet::Of { sent, answer } => (sent, answer),
            Packet::Neighbour { answer } => return Belongs::Neighbours(answer),
            Packet::Other => return Belongs::Nowhere,
        };
        let back = reversed(sent);
        let known = |flow: &Flow| {
            let begun = self.begun.get(flow);
            begun.or_else(|| self.translated.get(flow)).copied()
        };
        match answer {
            Some(true) => return Belongs::To(known(&back).unwrap_or(back), true),
            Some(false) => {}
            None => {
                if let (None, Some(flow)) = (known(&sent), known(&back)) {
                    return Belongs::To(flow, true);
                }
            }
        }
        let flow = known(&sent).unwrap_or(sent);
        if !self.translated.contains_key(&sent) {
            self.begun.entry(sent).or_insert(flow);
        }
        Belongs::To(flow, false)
    }
}

const fn reversed(flow: Flow) -> Flow {
    Flow {
        protocol: flow.protocol,
        source: flow.destination,
        destination: flow.source,
    }
}

/// The addresses as they stand in packets: no IPv4 in IPv6, no scope.
pub fn plain(flow: Flow) -> Flow {
    Flow {
        protocol: flow.protocol,
        source: in_packets(flow.source),
        destination: in_packets(flow.destination),
    }
}

fn in_packets(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().map_or_else(
            || SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0).into(),
            |ip| SocketAddrV4::new(ip, v6.port()).into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Protocol;
    use super::*;

    const CLIENT: &str = "192.0.2.1:49152";
    const DIALLED: &str = "192.0.2.2:2222";
    const REAL: &str = "192.0.2.2:22";

    fn flow(source: &str, destination: &str) -> Flow {
        Flow {
            protocol: Protocol::Tcp,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    fn packet(source: &str, destination: &str) -> Packet {
        Packet::Of {
            sent: flow(source, destination),
            answer: None,
        }
    }

    #[test]
    fn the_first_packet_tells_the_direction() {
        let mut all = Attribution::default();
        all.see(1, true, packet(CLIENT, REAL));
        all.see(2, true, packet(REAL, CLIENT));
        assert_eq!(all.of(1), Belongs::To(flow(CLIENT, REAL), false));
        assert_eq!(all.of(2), Belongs::To(flow(CLIENT, REAL), true));
        // The number is used again, for a packet that goes the other way.
        all.see(2, true, packet(CLIENT, REAL));
        assert_eq!(all.of(2), Belongs::To(flow(CLIENT, REAL), false));
        all.forget(2);
        assert_eq!(all.of(2), Belongs::Nowhere);
    }

    #[test]
    fn an_announced_flow_has_its_direction_and_its_form() {
        let mut all = Attribution::default();
        let announced = flow("[::ffff:192.0.2.1]:49152", REAL);
        all.expect(announced);
        all.see(1, true, packet(REAL, CLIENT));
        assert_eq!(all.of(1), Belongs::To(announced, true));
        let scoped = flow("[fe80::1%3]:5", "[fe80::2%3]:6");
        all.expect(scoped);
        all.see(2, true, packet("[fe80::1]:5", "[fe80::2]:6"));
        assert_eq!(all.of(2), Belongs::To(scoped, false));
    }

    #[test]
    fn translated_packets_and_their_answers_belong_to_what_was_dialled() {
        let mut all = Attribution::default();
        let dialled = flow(CLIENT, DIALLED);
        all.see(1, true, packet(CLIENT, DIALLED));
        all.see(1, false, packet(CLIENT, REAL));
        assert_eq!(all.of(1), Belongs::To(dialled, false));
        all.see(2, true, packet(REAL, CLIENT));
        assert_eq!(all.of(2), Belongs::To(dialled, true));
        // Over `lo` the packet is seen once more, under another number.
        all.see(3, true, packet(CLIENT, REAL));
        assert_eq!(all.of(3), Belongs::To(dialled, false));
        all.see(4, true, packet(REAL, CLIENT));
        assert_eq!(all.of(4), Belongs::To(dialled, true));
    }

    #[test]
    fn echo_requests_both_ways_are_two_flows() {
        let mut all = Attribution::default();
        let echo = |source: &str, destination: &str, answer| Packet::Of {
            sent: Flow {
                protocol: Protocol::Icmp,
                ..flow(source, destination)
            },
            answer: Some(answer),
        };
        let of = |source, destination| Flow {
            protocol: Protocol::Icmp,
            ..flow(source, destination)
        };
        let (one, two) = ("192.0.2.1:0", "192.0.2.2:0");
        all.see(1, true, echo(one, two, false));
        all.see(2, true, echo(two, one, false));
        all.see(3, true, echo(two, one, true));
        assert_eq!(all.of(1), Belongs::To(of(one, two), false));
        assert_eq!(all.of(2), Belongs::To(of(two, one), false));
        assert_eq!(all.of(3), Belongs::To(of(one, two), true));
    }

    #[test]
    fn packets_under_way_are_bounded() {
        let mut all = Attribution::default();
        for id in 0..=u32::try_from(PACKETS_MAX).unwrap() {
            all.see(id, true, Packet::Other);
        }
        assert!(all.packets.len() <= PACKETS_MAX);
    }
}
