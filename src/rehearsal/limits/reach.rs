//! Which rules packets of a flow may meet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::checkpoint::Part;
use crate::rehearsal::anatomy::{Anatomy, Answer, Base, Device, Hook, Kind, Packet, Verdict, Walk};
use crate::rehearsal::probe::Side;
use crate::rehearsal::{Flow, Protocol};

/// Nat chains before this priority see addresses as they were sent (`NF_IP_PRI_NAT_DST`).
const TRANSLATED_FROM: i32 = -100;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Echo request and reply, of ICMP and of ICMPv6.
const ECHO: [(u8, u8); 2] = [(8, 0), (128, 129)];

/// Ways to rules that are looked for.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Chain to its rules that are looked for, or from which such can be reached.
    ways: BTreeMap<usize, BTreeSet<usize>>,
    wanted: BTreeSet<(usize, usize)>,
    arp: Vec<(usize, usize)>,
}

impl Reach {
    /// To the rules in `wanted`: places of their chain and of themselves.
    #[must_use]
    pub fn new(all: &Anatomy, wanted: BTreeSet<(usize, usize)>) -> Self {
        let mut ways: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (chain, rule) in &wanted {
            ways.entry(*chain).or_default().insert(*rule);
        }
        if !wanted.is_empty() {
            let jumps = jumps(all);
            let mut open: Vec<usize> = ways.keys().copied().collect();
            while let Some(target) = open.pop() {
                for (chain, rule) in jumps.get(&target).into_iter().flatten() {
                    if !ways.contains_key(chain) {
                        open.push(*chain);
                    }
                    ways.entry(*chain).or_default().insert(*rule);
                }
            }
        }
        let is_arp = |chain: usize| {
            let chain = all.chains.get(chain);
            chain.is_some_and(|chain| matches!(&chain.part, Part::Nft(id) if id.family == 3))
        };
        Self {
            ways,
            arp: wanted
                .iter()
                .copied()
                .filter(|(chain, _)| is_arp(*chain))
                .collect(),
            wanted,
        }
    }

    /// Those that packets of `flow` may match, which `side` began.
    #[must_use]
    pub fn met(&self, all: &Anatomy, side: Side, flow: &Flow) -> BTreeSet<(usize, usize)> {
        let mut met = BTreeSet::new();
        if self.wanted.is_empty() {
            return met;
        }
        if flow.destination.is_ipv4() {
            met.extend(self.arp.iter().copied());
        }
        for trip in trips(all, side, flow) {
            for (at, chain) in all.chains.iter().enumerate() {
                let Some(base) = chain.base else { continue };
                let same = if trip.inward {
                    base.hook.is_inward()
                } else {
                    base.hook.is_outward()
                };
                // Of a connection, nat sees the packet that opens it.
                let seen = base.kind != Kind::Nat || !trip.reply;
                if same && seen && self.ways.contains_key(&at) && chain.sees(trip.v6) {
                    let packet = trip.at(base);
                    let walk = Walk::new(all, packet);
                    self.descend(all, &walk, at, &mut BTreeSet::new(), &mut met);
                }
            }
        }
        met
    }

    fn descend(
        &self,
        all: &Anatomy,
        walk: &Walk<'_>,
        at: usize,
        visited: &mut BTreeSet<usize>,
        met: &mut BTreeSet<(usize, usize)>,
    ) {
        let (Some(rules), Some(chain)) = (self.ways.get(&at), all.chains.get(at)) else {
            return;
        };
        if !visited.insert(at) {
            return;
        }
        for number in rules {
            let Some(rule) = chain.rules.get(*number) else {
                continue;
            };
            let (answer, verdicts) = walk.hits(rule);
            if answer == Answer::No {
                continue;
            }
            if self.wanted.contains(&(at, *number)) {
                met.insert((at, *number));
            }
            for verdict in verdicts {
                if let Verdict::Jump(name) | Verdict::Goto(name) = verdict
                    && let Some(next) = all.position(&chain.part, name)
                {
                    self.descend(all, walk, next, visited, met);
                }
            }
        }
    }
}

/// Each chain to the rules that lead there: places of chain and rule.
fn jumps(all: &Anatomy) -> BTreeMap<usize, Vec<(usize, usize)>> {
    let mut found: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, chain) in all.chains.iter().enumerate() {
        for (number, rule) in chain.rules.iter().enumerate() {
            for verdict in all.verdicts(rule) {
                if let Verdict::Jump(name) | Verdict::Goto(name) = verdict
                    && let Some(target) = all.position(&chain.part, name)
                {
                    found.entry(target).or_default().push((at, number));
                }
            }
        }
    }
    found
}

/// Packets of a flow that go one way.
struct Trip {
    inward: bool,
    reply: bool,
    v6: bool,
    /// As it is sent.
    sent: Packet,
    /// As far as it is known once its addresses may have been translated.
    later: Packet,
}

impl Trip {
    fn at(&self, base: Base) -> Packet {
        let first = base.hook == Hook::Ingress
            || matches!(base.hook, Hook::Prerouting | Hook::Output)
                && base.priority <= TRANSLATED_FROM;
        let packet = if first && !self.reply {
            &self.sent
        } else {
            &self.later
        };
        packet.clone()
    }
}

fn trips(all: &Anatomy, side: Side, flow: &Flow) -> Vec<Trip> {
    let v6 = flow.destination.is_ipv6();
    let own = is_own(flow);
    let hooks: &[Hook] = match side {
        Side::World if !own => &[Hook::Prerouting, Hook::Input],
        Side::World | Side::Host => &[Hook::Prerouting, Hook::Input, Hook::Output],
    };
    let opening = packet(flow, false, own);
    let translated = may_be_translated(all, &opening, hooks);
    // Answers to packets that left in another name come in with that name.
    let hidden = translated || may_be_translated(all, &opening, &[Hook::Postrouting]);
    let mut found = Vec::new();
    for reply in [false, true] {
        let sent = packet(flow, reply, own);
        let unsure = if reply { hidden } else { translated };
        let later = if unsure { blurred(&sent) } else { sent.clone() };
        for inward in [true, false] {
            let goes = own || inward == ((side == Side::World) != reply);
            if goes {
                found.push(Trip {
                    inward,
                    reply,
                    v6,
                    sent: sent.clone(),
                    later: later.clone(),
                });
            }
        }
    }
    if v6 && !own {
        // Neighbour discovery, without which nothing gets anywhere.
        let sent = Packet::new(None, None, true, ICMPV6);
        for inward in [true, false] {
            found.push(Trip {
                inward,
                reply: false,
                v6,
                sent: sent.clone(),
                later: sent.clone(),
            });
        }
    }
    found
}

/// Whether this host talks to itself.
fn is_own(flow: &Flow) -> bool {
    let (source, destination) = (flow.source.ip(), flow.destination.ip());
    source == destination || source.is_loopback() || destination.is_loopback()
}

fn port(address: SocketAddr) -> Option<u16> {
    Some(address.port()).filter(|port| *port != 0)
}

fn ip(address: SocketAddr) -> Option<IpAddr> {
    Some(address.ip()).filter(|ip| !ip.is_unspecified())
}

fn packet(flow: &Flow, reply: bool, own: bool) -> Packet {
    let (from, to) = if reply {
        (flow.destination, flow.source)
    } else {
        (flow.source, flow.destination)
    };
    let v6 = flow.destination.is_ipv6();
    let protocol = match flow.protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Icmp if v6 => ICMPV6,
        Protocol::Icmp => ICMP,
    };
    let packet = Packet::new(ip(from), ip(to), v6, protocol).fragmentable();
    let packet = match flow.protocol {
        Protocol::Tcp | Protocol::Udp => packet.ports(port(from), port(to)),
        Protocol::Icmp => {
            let (request, answer) = ECHO[usize::from(v6)];
            packet.icmp(if reply { answer } else { request })
        }
    };
    if own {
        return packet
            .by(Some(Device::loopback()))
            .out_by(Some(Device::loopback()));
    }
    packet
}

/// The same with addresses and ports that may be any.
fn blurred(packet: &Packet) -> Packet {
    let plain = Packet::new(None, None, packet.v6, packet.protocol).fragmentable();
    let plain = match packet.icmp_type() {
        Some((kind, _)) => plain.icmp(kind),
        None => plain.ports(None, None),
    };
    plain.by(packet.input.clone()).out_by(packet.output.clone())
}

/// Whether some rule at `hooks` may give the packet that opens a flow other addresses.
fn may_be_translated(all: &Anatomy, opening: &Packet, hooks: &[Hook]) -> bool {
    (all.chains.iter())
        .filter_map(|chain| Some((chain, chain.base?)))
        .filter(|(chain, base)| {
            base.kind == Kind::Nat && hooks.contains(&base.hook) && chain.sees(opening.v6)
        })
        .any(|(chain, _)| Walk::new(all, opening.clone()).through(chain).accepted)
}
