//! Taking nf_tables' expressions apart.

use std::collections::HashMap;

use super::{Compare, Op, Origin, Verdict};
use crate::netlink::{Attributes, find};
use crate::nftables::expressions::{self, Expression};
use crate::nftables::kernel::{LIST_ELEM, expression};

/// Where a register begins, in bytes from the first data register; `None` is the verdict register.
fn register(number: u32) -> Option<usize> {
    match number {
        // `NFT_REG_1` to `NFT_REG_4`, 16 bytes each.
        1..=4 => Some((number as usize - 1) * 16),
        // `NFT_REG32_00` and on, 4 bytes each, in the same place.
        8..=23 => Some((number as usize - 8) * 4),
        _ => None,
    }
}

/// The verdict in content of `NFTA_IMMEDIATE_DATA` or `NFTA_SET_ELEM_DATA`.
pub fn verdict(data: &[u8]) -> Option<Verdict> {
    let verdict = find(data, expression::DATA_VERDICT)?;
    let code = find(verdict.payload, expression::VERDICT_CODE)?.be32()?;
    let chain = || {
        expressions::verdict_chain(data)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .unwrap_or_default()
    };
    Some(match i32::from_be_bytes(code.to_be_bytes()) {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        -3 => Verdict::Jump(chain()),
        -4 => Verdict::Goto(chain()),
        -5 => Verdict::Return,
        code if code & 0xff == 3 => Verdict::Queue,
        _ => Verdict::None,
    })
}

/// Takes the expressions of a rule apart; `sets` are the places of the table's sets by name.
pub fn decode<'a>(
    all: impl Iterator<Item = Expression<'a>>,
    sets: &HashMap<&str, usize>,
) -> (Vec<Op>, Verdict) {
    let mut ops = Vec::new();
    let mut last = Verdict::None;
    for one in all {
        match step(&one, sets) {
            Step::Op(op) => ops.push(op),
            Step::Verdict(verdict) => last = verdict,
            Step::Both(op, verdict) => {
                ops.push(op);
                last = verdict;
            }
            Step::Nothing => {}
        }
    }
    (ops, last)
}

enum Step {
    Op(Op),
    Verdict(Verdict),
    Both(Op, Verdict),
    Nothing,
}

fn step(one: &Expression<'_>, sets: &HashMap<&str, usize>) -> Step {
    let number = |kind| find(one.data, kind).and_then(|one| one.be32());
    let value = |kind| {
        find(one.data, kind)
            .and_then(|one| find(one.payload, expression::DATA_VALUE))
            .map(|one| one.payload.to_vec())
    };
    let at = |kind| number(kind).and_then(register);
    let other = |to| Op::Other {
        name: String::from_utf8_lossy(one.name).into_owned(),
        data: one.data.to_vec(),
        to,
        inner: inner(one, sets),
    };
    // A value that is not understood fills its register with what is not known.
    let decoded = match one.name {
        b"immediate" => match (number(1), find(one.data, expression::IMMEDIATE_DATA)) {
            (Some(0), Some(data)) => {
                return verdict(data.payload).map_or(Step::Nothing, Step::Verdict);
            }
            (Some(to), Some(_)) => register(to).zip(value(2)).map(|(to, data)| Op::Load {
                to,
                length: data.len(),
                origin: Origin::Constant(data),
            }),
            _ => None,
        },
        b"counter" | b"last" => return Step::Nothing,
        b"meta" => at(1).zip(number(2)).map(|(to, key)| Op::Load {
            to,
            length: 0,
            origin: Origin::Meta(key),
        }),
        b"ct" => at(1).zip(number(2)).map(|(to, key)| Op::Load {
            to,
            length: 0,
            origin: Origin::Ct(key),
        }),
        b"payload" => at(1).zip(number(2)).and_then(|(to, base)| {
            Some(Op::Load {
                to,
                length: number(4)? as usize,
                origin: Origin::Payload(base, number(3)? as usize),
            })
        }),
        b"bitwise" if number(6).unwrap_or(0) == 0 => at(1).zip(at(2)).and_then(|(from, to)| {
            Some(Op::Bitwise {
                from,
                to,
                mask: value(4)?,
                xor: value(5)?,
            })
        }),
        b"cmp" => at(1).and_then(|from| {
            Some(Op::Compare {
                from,
                how: Compare::of(number(2)?)?,
                data: value(3)?,
            })
        }),
        b"range" => at(1).and_then(|from| {
            Some(Op::Range {
                from,
                negated: number(2)? == 1,
                low: value(3)?,
                high: value(4)?,
            })
        }),
        b"lookup" => at(2).and_then(|from| {
            let name = find(one.data, expression::LOOKUP_SET)?.text();
            Some(Op::Lookup {
                from,
                set: sets.get(name.as_str()).copied(),
                negated: number(5).unwrap_or(0) & 1 != 0,
                verdict: number(3) == Some(0),
                to: number(3).and_then(register),
            })
        }),
        b"match" => Some(Op::Match {
            name: text(one, expression::XT_NAME),
            revision: number(2).unwrap_or(0),
            info: raw(one),
        }),
        b"target" => {
            let name = text(one, expression::XT_NAME);
            let verdict = of_target(&name);
            let op = Op::Target {
                name,
                info: raw(one),
            };
            return Step::Both(op, verdict);
        }
        b"reject" => return Step::Both(other(None), Verdict::Drop),
        b"queue" => return Step::Both(other(None), Verdict::Queue),
        b"masq" | b"redir" | b"nat" | b"synproxy" => {
            return Step::Both(other(None), Verdict::Translate);
        }
        _ => None,
    };
    Step::Op(decoded.unwrap_or_else(|| other(destination(one).and_then(register))))
}

/// The register that an expression fills (`NFTA_*_DREG`).
fn destination(one: &Expression<'_>) -> Option<u32> {
    let kind = match one.name {
        b"exthdr" | b"fib" | b"rt" | b"osf" | b"xfrm" | b"numgen" | b"meta" | b"ct"
        | b"payload" => 1,
        b"hash" | b"socket" | b"tunnel" | b"bitwise" | b"byteorder" => 2,
        b"lookup" => 3,
        _ => return None,
    };
    find(one.data, kind).and_then(|one| one.be32())
}

/// What an expression does besides: to each element (`dynset`), inside a tunnel (`inner`), with an
/// object.
fn inner(one: &Expression<'_>, sets: &HashMap<&str, usize>) -> Vec<Op> {
    if one.name == b"objref" {
        // The object that a map says.
        let name = find(one.data, expression::OBJREF_SET_NAME).map(|name| name.text());
        let set = name.and_then(|name| sets.get(name.as_str()).copied());
        let lookup = set.map(|set| Op::Lookup {
            from: 0,
            set: Some(set),
            negated: false,
            verdict: false,
            to: None,
        });
        return lookup.into_iter().collect();
    }
    let (single, many) = match one.name {
        b"dynset" => (expression::DYNSET_EXPR, expression::DYNSET_EXPRESSIONS),
        b"inner" => (expression::INNER_EXPR, expression::INNER_EXPR),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for attribute in Attributes::new(one.data) {
        if attribute.kind() == many && one.name == b"dynset" {
            let all = attribute.nested().filter(|item| item.kind() == LIST_ELEM);
            found.extend(all.map(|item| item.payload));
        } else if attribute.kind() == single {
            found.push(attribute.payload);
        }
    }
    found.dedup();
    decode(found.into_iter().map(Expression::new), sets).0
}

fn text(one: &Expression<'_>, kind: u16) -> String {
    find(one.data, kind).map_or_else(String::new, |one| one.text())
}

fn raw(one: &Expression<'_>) -> Vec<u8> {
    find(one.data, expression::XT_INFO).map_or_else(Vec::new, |info| info.payload.to_vec())
}

/// What an x_tables target does with packets (iptables-extensions(8)).
pub fn of_target(name: &str) -> Verdict {
    match name {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" | "TARPIT" | "STEAL" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "NFQUEUE" | "QUEUE" => Verdict::Queue,
        "DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT" | "NETMAP" | "TPROXY" | "SYNPROXY" => {
            Verdict::Translate
        }
        _ => Verdict::None,
    }
}
