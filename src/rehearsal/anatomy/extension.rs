//! Whether x_tables' matches, as iptables over nf_tables uses them, match a packet.

use super::numbers::state;
use super::protocols::{ICMP, ICMPV6, TCP, UDP};
use super::{Answer, Packet};

/// `XT_CONNTRACK_STATE` in `match_flags` and `invert_flags` (`linux/netfilter/xt_conntrack.h`).
const CONNTRACK_STATE: u16 = 1;
/// `XT_CONNTRACK_STATE_ALIAS`: it came as `-m state`.
const CONNTRACK_ALIAS: u16 = 1 << 13;
/// Where `match_flags`, `invert_flags` and `state_mask` stand in `struct xt_conntrack_mtinfo2`
/// and `…3`, in bytes.
const CONNTRACK_FLAGS: usize = 146;
const CONNTRACK_INVERT: usize = 148;
const CONNTRACK_STATES: usize = 150;
/// `XT_CONNTRACK_STATE_UNTRACKED` in `state_mask`.
const CONNTRACK_UNTRACKED: u16 = 1 << 8;

/// Whether the match called `name` with `info` matches.
pub fn matches(name: &str, revision: u32, info: &[u8], packet: &Packet) -> Answer {
    let answer = match name {
        "comment" => Some(Answer::Yes),
        "conntrack" if revision >= 2 => conntrack(info, packet),
        "tcp" => tcp(info, packet),
        "udp" => udp(info, packet),
        "icmp" => icmp(info, packet, ICMP),
        "icmp6" => icmp(info, packet, ICMPV6),
        "multiport" if revision == 1 => multiport(info, packet),
        _ => None,
    };
    answer.unwrap_or(Answer::Maybe)
}

fn number(info: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(info.get(at..at + 2)?.try_into().ok()?))
}

fn range(info: &[u8], at: usize, port: u16) -> Option<bool> {
    Some((number(info, at)?..=number(info, at + 2)?).contains(&port))
}

fn conntrack(info: &[u8], packet: &Packet) -> Option<Answer> {
    let flags = number(info, CONNTRACK_FLAGS)?;
    if flags & CONNTRACK_STATE == 0 {
        return None;
    }
    let mask = number(info, CONNTRACK_STATES)?;
    let bit = match packet.state? {
        state::UNTRACKED => CONNTRACK_UNTRACKED,
        // The other bits are in the same places.
        other => u16::try_from(other).ok()?,
    };
    let negated = number(info, CONNTRACK_INVERT)? & CONNTRACK_STATE != 0;
    let state = Answer::sure(mask & bit != 0).negated_if(negated);
    let only = flags & !(CONNTRACK_STATE | CONNTRACK_ALIAS) == 0;
    Some(if only {
        state
    } else {
        state.and(Answer::Maybe)
    })
}

/// `struct xt_tcp`: ports, option, mask and value of the flags, what is inverted.
fn tcp(info: &[u8], packet: &Packet) -> Option<Answer> {
    if packet.protocol != TCP {
        return Some(Answer::No);
    }
    let inverted = *info.get(11)?;
    let source = port(info, 0, packet.port(false), inverted & 1 != 0)?;
    let destination = port(info, 4, packet.port(true), inverted & 2 != 0)?;
    let (option, mask, value) = (*info.get(8)?, *info.get(9)?, *info.get(10)?);
    let flags = match packet.transport.get(13).copied().flatten() {
        _ if mask == 0 => Answer::Yes,
        Some(flags) => Answer::sure(flags & mask == value).negated_if(inverted & 4 != 0),
        None => Answer::Maybe,
    };
    let option = if option == 0 {
        Answer::Yes
    } else {
        Answer::Maybe
    };
    Some(source.and(destination).and(flags).and(option))
}

/// `struct xt_udp`: ports, what is inverted.
fn udp(info: &[u8], packet: &Packet) -> Option<Answer> {
    if packet.protocol != UDP {
        return Some(Answer::No);
    }
    let inverted = *info.get(8)?;
    let source = port(info, 0, packet.port(false), inverted & 1 != 0)?;
    Some(source.and(port(info, 4, packet.port(true), inverted & 2 != 0)?))
}

fn port(info: &[u8], at: usize, port: Option<u16>, inverted: bool) -> Option<Answer> {
    let any = number(info, at)? == 0 && number(info, at + 2)? == u16::MAX && !inverted;
    Some(match port {
        _ if any => Answer::Yes,
        Some(port) => Answer::sure(range(info, at, port)?).negated_if(inverted),
        None => Answer::Maybe,
    })
}

/// `struct ipt_icmp` and `struct ip6t_icmp`: type, first and last code, whether inverted.
fn icmp(info: &[u8], packet: &Packet, protocol: u8) -> Option<Answer> {
    if packet.protocol != protocol {
        return Some(Answer::No);
    }
    let (kind, first, last) = (*info.first()?, *info.get(1)?, *info.get(2)?);
    let inverted = *info.get(3)? & 1 != 0;
    let (is, code) = packet.icmp_type()?;
    // 255 stands for any type in IPv4.
    let any = protocol == ICMP && kind == u8::MAX;
    let hit = any || kind == is && (first..=last).contains(&code);
    Some(Answer::sure(hit).negated_if(inverted))
}

/// `struct xt_multiport_v1`: which ports, how many, 15 of them, which begin ranges, whether inverted.
fn multiport(info: &[u8], packet: &Packet) -> Option<Answer> {
    let (which, count, inverted) = (*info.first()?, usize::from(*info.get(1)?), *info.get(47)?);
    let among = |port: u16| -> Option<bool> {
        let mut at = 0;
        while at < count {
            let low = number(info, 2 + 2 * at)?;
            let high = if *info.get(32 + at)? != 0 {
                at += 1;
                number(info, 2 + 2 * at)?
            } else {
                low
            };
            if (low..=high).contains(&port) {
                return Some(true);
            }
            at += 1;
        }
        Some(false)
    };
    let one = |destination| {
        packet
            .port(destination)
            .and_then(among)
            .map_or(Answer::Maybe, Answer::sure)
    };
    // `XT_MULTIPORT_SOURCE`, `…_DESTINATION`, `…_EITHER`.
    let hit = match which {
        0 => one(false),
        1 => one(true),
        _ => one(false).or(one(true)),
    };
    Some(hit.negated_if(inverted != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As iptables before 1.8.8 compiles it: ports, option, mask and value of the flags, inverted.
    fn xt_tcp(source: [u16; 2], destination: [u16; 2], flags: [u8; 3]) -> Vec<u8> {
        let mut info = Vec::new();
        for port in source.iter().chain(&destination) {
            info.extend(port.to_ne_bytes());
        }
        info.push(0);
        info.extend(flags);
        info
    }

    fn syn(to: u16) -> Packet {
        Packet::new(None, None, false, TCP).syn(Some(50_000), Some(to))
    }

    #[test]
    fn ports_and_flags_of_tcp() {
        let any = [0, u16::MAX];
        let to_22 = xt_tcp(any, [22, 22], [0, 0, 0]);
        assert_eq!(matches("tcp", 0, &to_22, &syn(22)), Answer::Yes);
        assert_eq!(matches("tcp", 0, &to_22, &syn(23)), Answer::No);
        let inverted = xt_tcp(any, [22, 30], [0, 0, 2]);
        assert_eq!(matches("tcp", 0, &inverted, &syn(25)), Answer::No);
        assert_eq!(matches("tcp", 0, &inverted, &syn(31)), Answer::Yes);
        let only_syn = xt_tcp(any, any, [0x17, 2, 0]);
        assert_eq!(matches("tcp", 0, &only_syn, &syn(22)), Answer::Yes);
        let not_syn = xt_tcp(any, any, [0x17, 2, 4]);
        assert_eq!(matches("tcp", 0, &not_syn, &syn(22)), Answer::No);
        let udp = Packet::new(None, None, false, UDP).ports(Some(1), Some(22));
        assert_eq!(matches("tcp", 0, &to_22, &udp), Answer::No);
        let unknown = Packet::new(None, None, false, TCP).ports(None, None);
        assert_eq!(matches("tcp", 0, &to_22, &unknown), Answer::Maybe);
    }

    #[test]
    fn ports_of_udp() {
        let packet = Packet::new(None, None, false, UDP).ports(Some(1053), Some(53));
        let mut info: Vec<u8> = [0, u16::MAX, 53, 60]
            .iter()
            .flat_map(|port: &u16| port.to_ne_bytes())
            .collect();
        info.push(0);
        assert_eq!(matches("udp", 0, &info, &packet), Answer::Yes);
        info[8] = 2;
        assert_eq!(matches("udp", 0, &info, &packet), Answer::No);
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_not_judged() {
        assert_eq!(matches("conntrack", 3, &[0; 20], &syn(22)), Answer::Maybe);
        assert_eq!(matches("tcp", 0, &[], &syn(22)), Answer::Maybe);
        assert_eq!(matches("quota", 0, &[0; 64], &syn(22)), Answer::Maybe);
    }
}
