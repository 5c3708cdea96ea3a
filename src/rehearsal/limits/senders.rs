//! What the other end's system chooses, and what the rehearsal's own packets need not have:
//! options of TCP, and whether packets may be fragmented.

use std::ops::RangeInclusive;

use super::feature::Feature;
use crate::netlink::find;
use crate::rehearsal::anatomy::{Clause, Compare, Op, Origin, payload_base};

/// Largest segments that peers ask for: from IPv4's default (RFC 9293) to jumbo frames.
const USUAL_SEGMENTS: RangeInclusive<u16> = 536..=8960;
/// `NFTA_EXTHDR_TYPE`, `NFTA_EXTHDR_OFFSET`, `NFTA_EXTHDR_OP`, and `NFT_EXTHDR_OP_TCPOPT`.
const EXTHDR_TYPE: u16 = 2;
const EXTHDR_OFFSET: u16 = 3;
const EXTHDR_OP: u16 = 6;
const TCP_OPTION: u32 = 1;
/// `TCPOPT_MSS`, and where its value stands, in bytes.
const SEGMENT_OPTION: u8 = 2;
const SEGMENT_VALUE: u32 = 2;
/// Where `struct xt_tcp` has the option, in bytes.
const XT_TCP_OPTION: usize = 8;
/// Offset and length of IPv4's flags and fragment offset, in bytes; "don't fragment" in the first.
const FRAGMENT: (usize, usize) = (6, 2);
const DONT_FRAGMENT: u8 = 0x40;

/// What `op` looks at, if the answer depends on the sender; `rest` comes after it.
pub fn of_op(op: &Op, rest: &[Op]) -> Option<Feature> {
    match op {
        Op::Match { name, info, .. } => match name.as_str() {
            "tcp" => (info.get(XT_TCP_OPTION).copied()? != 0).then_some(Feature::Options),
            "tcpmss" => {
                let number =
                    |at: usize| Some(u16::from_ne_bytes([*info.get(at)?, *info.get(at + 1)?]));
                segments(number(0)?..=number(2)?)
            }
            _ => None,
        },
        Op::Other {
            name,
            data,
            to: Some(_),
            ..
        } if name == "exthdr" => {
            let number = |kind| find(data, kind).and_then(|one| one.be32());
            if number(EXTHDR_OP) != Some(TCP_OPTION) {
                return None;
            }
            let kind = find(data, EXTHDR_TYPE).and_then(|one| one.payload.first().copied());
            let is_segment =
                kind == Some(SEGMENT_OPTION) && number(EXTHDR_OFFSET) == Some(SEGMENT_VALUE);
            // A range may come as two comparisons.
            let mut ranges = rest.iter().map_while(compared).peekable();
            if !is_segment || ranges.peek().is_none() {
                return Some(Feature::Options);
            }
            ranges.find_map(segments)
        }
        Op::Load {
            origin: Origin::Payload(payload_base::NETWORK, offset),
            length,
            ..
        } if (*offset, *length) == FRAGMENT => match rest.first() {
            Some(Op::Bitwise { mask, .. }) => {
                let asked = mask.first().is_none_or(|bits| bits & DONT_FRAGMENT != 0);
                asked.then_some(Feature::Fragments)
            }
            _ => Some(Feature::Fragments),
        },
        _ => None,
    }
}

/// The same of a clause of `iptables-save`.
pub fn of_clause(clause: &Clause) -> Option<Feature> {
    match clause.option.as_str() {
        "--tcp-option" => Some(Feature::Options),
        "--mss" => {
            let (low, high) = clause
                .value()
                .split_once(':')
                .unwrap_or_else(|| (clause.value(), clause.value()));
            match (low.parse(), high.parse()) {
                (Ok(low), Ok(high)) => segments(low..=high),
                _ => Some(Feature::Options),
            }
        }
        _ => None,
    }
}

/// Which values a comparison takes, or leaves.
fn compared(op: &Op) -> Option<RangeInclusive<u16>> {
    let number = |data: &[u8]| Some(u16::from_be_bytes(data.try_into().ok()?));
    Some(match op {
        Op::Range { low, high, .. } => number(low)?..=number(high)?,
        Op::Compare { how, data, .. } => {
            let value = number(data)?;
            match how {
                Compare::Equal | Compare::Unequal => value..=value,
                Compare::Less | Compare::GreaterOrEqual => 0..=value.checked_sub(1)?,
                Compare::LessOrEqual | Compare::Greater => 0..=value,
            }
        }
        _ => return None,
    })
}

/// Nothing where all usual sizes are in the range, or none is.
fn segments(range: RangeInclusive<u16>) -> Option<Feature> {
    let (low, high) = (USUAL_SEGMENTS.start(), USUAL_SEGMENTS.end());
    let all = range.contains(low) && range.contains(high);
    let none = range.end() < low || range.start() > high;
    (!all && !none).then_some(Feature::Options)
}
