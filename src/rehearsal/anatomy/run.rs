//! Whether nf_tables' expressions match a packet.

use std::cmp::Ordering;

use super::numbers::{ct, meta, payload_base};
use super::{Anatomy, Answer, Compare, Op, Origin, Packet, Verdict, extension};
use crate::netlink::find;

/// Length of all data registers, in bytes.
const REGISTERS: usize = 64;
/// `IFNAMSIZ`: names are filled up with NUL.
const NAME_BYTES: usize = 16;

/// Whether a packet matches, and the verdicts of maps that it then may get.
pub fn run<'a>(
    ops: &[Op],
    packet: &Packet,
    all: &'a Anatomy,
) -> (Answer, Option<Vec<&'a Verdict>>) {
    let mut registers: [Option<u8>; REGISTERS] = [None; REGISTERS];
    let mut answer = Answer::Yes;
    let mut mapped = None;
    for op in ops {
        let this = match op {
            Op::Load { to, length, origin } => {
                let value = load(origin, *length, packet);
                put(&mut registers, *to, value.as_deref());
                Answer::Yes
            }
            Op::Bitwise {
                from,
                to,
                mask,
                xor,
            } => {
                let value: Vec<Option<u8>> = (mask.iter().zip(xor).enumerate())
                    .map(|(at, (mask, xor))| match (registers.get(from + at), mask) {
                        // What is masked out need not be known.
                        (_, 0) => Some(*xor),
                        (Some(Some(byte)), mask) => Some((byte & mask) ^ xor),
                        _ => None,
                    })
                    .collect();
                put(&mut registers, *to, Some(&value));
                Answer::Yes
            }
            Op::Compare { from, how, data } => compare(&registers, *from, *how, data),
            Op::Range {
                from,
                negated,
                low,
                high,
            } => compare(&registers, *from, Compare::GreaterOrEqual, low)
                .and(compare(&registers, *from, Compare::LessOrEqual, high))
                .negated_if(*negated),
            Op::Lookup {
                from,
                set,
                negated,
                verdict,
                to,
            } => {
                if let Some(to) = to {
                    put(&mut registers, *to, None);
                }
                match set.and_then(|set| all.sets.get(set)) {
                    None => Answer::Maybe,
                    Some(set) => {
                        let length = key_length(&set.fields);
                        let key: Option<Vec<u8>> = registers
                            .get(*from..from + length)
                            .and_then(|bytes| bytes.iter().copied().collect());
                        let (found, verdicts) = set.lookup(key.as_deref());
                        if *verdict {
                            mapped = Some(verdicts);
                        }
                        found.negated_if(*negated)
                    }
                }
            }
            Op::Match {
                name,
                revision,
                info,
            } => extension::matches(name, *revision, info, packet),
            Op::Target { .. } => Answer::Yes,
            Op::Other { name, to, data, .. } => {
                if let Some(to) = to {
                    put(&mut registers, *to, None);
                }
                other(name, data)
            }
        };
        answer = answer.and(this);
        if answer == Answer::No {
            return (answer, None);
        }
    }
    (answer, mapped)
}

/// The length of a key in registers, in bytes.
fn key_length(fields: &[usize]) -> usize {
    match fields {
        [one] => *one,
        many => many.iter().map(|one| one.next_multiple_of(4)).sum(),
    }
}

/// Expressions that are not followed here: some never keep a packet from going on.
fn other(name: &str, data: &[u8]) -> Answer {
    match name {
        // `NFTA_OBJREF_IMM_TYPE`: counter, ct helper, ct timeout, secmark, ct expectation.
        "objref" => {
            let kind = find(data, 1).and_then(|kind| kind.be32());
            match kind {
                Some(1 | 3 | 7 | 8 | 9) => Answer::Yes,
                _ => Answer::Maybe,
            }
        }
        "log" | "reject" | "queue" | "masq" | "redir" | "nat" | "notrack" | "dup" | "meta"
        | "ct" | "payload" | "byteorder" | "bitwise" => Answer::Yes,
        _ => Answer::Maybe,
    }
}

fn put(registers: &mut [Option<u8>; REGISTERS], to: usize, value: Option<&[Option<u8>]>) {
    // A load of unknown length may have filled a whole register.
    let value = value.unwrap_or(&[None; NAME_BYTES]);
    for (place, byte) in registers.iter_mut().skip(to).zip(value) {
        *place = *byte;
    }
    // The kernel clears the rest of the last 32 bits.
    let end = value.len().next_multiple_of(4);
    for place in registers.iter_mut().take(to + end).skip(to + value.len()) {
        *place = Some(0);
    }
}

fn load(origin: &Origin, length: usize, packet: &Packet) -> Option<Vec<Option<u8>>> {
    let known = |bytes: &[u8]| Some(bytes.iter().copied().map(Some).collect());
    let name = |device: &Option<super::Device>| {
        let mut bytes = device.as_ref()?.name.clone().into_bytes();
        bytes.resize(NAME_BYTES, 0);
        known(&bytes)
    };
    let index = |device: &Option<super::Device>| known(&device.as_ref()?.index.to_ne_bytes());
    match origin {
        Origin::Constant(data) => known(data),
        Origin::Ct(ct::STATE) => known(&packet.state?.to_ne_bytes()),
        Origin::Ct(_) => None,
        Origin::Meta(key) => match *key {
            meta::PROTOCOL if packet.v6 => known(&0x86dd_u16.to_be_bytes()),
            meta::PROTOCOL => known(&0x0800_u16.to_be_bytes()),
            meta::NFPROTO => known(&[if packet.v6 { 10 } else { 2 }]),
            meta::L4PROTO => known(&[packet.protocol]),
            meta::IIFNAME => name(&packet.input),
            meta::OIFNAME => name(&packet.output),
            meta::IIF => index(&packet.input),
            meta::OIF => index(&packet.output),
            _ => None,
        },
        Origin::Payload(base, offset) => {
            let header = match *base {
                payload_base::NETWORK => &packet.network,
                payload_base::TRANSPORT => &packet.transport,
                _ => return None,
            };
            Some(header.get(*offset..offset + length)?.to_vec())
        }
    }
}

/// Compares byte by byte from the front, as the kernel does; stops at what is not known.
fn compare(registers: &[Option<u8>; REGISTERS], from: usize, how: Compare, data: &[u8]) -> Answer {
    let mut order = Some(Ordering::Equal);
    let mut unequal = false;
    for (at, wanted) in data.iter().enumerate() {
        match registers.get(from + at).copied().flatten() {
            None if order == Some(Ordering::Equal) => order = None,
            None => {}
            Some(byte) => {
                unequal |= byte != *wanted;
                if order == Some(Ordering::Equal) {
                    order = Some(byte.cmp(wanted));
                }
            }
        }
    }
    match (how, order) {
        // One byte that differs is enough.
        (Compare::Equal, _) if unequal => Answer::No,
        (Compare::Unequal, _) if unequal => Answer::Yes,
        (_, None) => Answer::Maybe,
        (Compare::Equal, Some(order)) => Answer::sure(order.is_eq()),
        (Compare::Unequal, Some(order)) => Answer::sure(order.is_ne()),
        (Compare::Less, Some(order)) => Answer::sure(order.is_lt()),
        (Compare::LessOrEqual, Some(order)) => Answer::sure(order.is_le()),
        (Compare::Greater, Some(order)) => Answer::sure(order.is_gt()),
        (Compare::GreaterOrEqual, Some(order)) => Answer::sure(order.is_ge()),
    }
}
