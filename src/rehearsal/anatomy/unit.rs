//! Rules as sets of conditions, to see when one takes all that another would get.

use super::numbers::{ct, meta};
use super::{Anatomy, Body, Clause, Op, Origin, Rule};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(pub Vec<u8>);

/// The conditions of a rule, sorted, none twice; `None` where they cannot be told apart, or where the
/// answer to one may change from packet to packet or from rule to rule.
#[must_use]
pub fn units(rule: &Rule, all: &Anatomy) -> Option<Vec<Unit>> {
    let mut found = match &rule.body {
        Body::Code(ops) => of_code(ops, all)?,
        Body::Words(clauses) => of_words(clauses)?,
    };
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn of_code(ops: &[Op], all: &Anatomy) -> Option<Vec<Unit>> {
    let mut found = Vec::new();
    // What was loaded since the last comparison.
    let mut loaded: Vec<u8> = Vec::new();
    for op in ops {
        match op {
            Op::Load { origin, .. } if !changes(origin) => {
                put(op, &mut loaded);
            }
            Op::Load { .. } => return None,
            Op::Bitwise { .. } => put(op, &mut loaded),
            Op::Compare { .. } | Op::Range { .. } => {
                if loaded.is_empty() {
                    return None;
                }
                let mut unit = std::mem::take(&mut loaded);
                put(op, &mut unit);
                found.push(Unit(unit));
            }
            Op::Lookup {
                from,
                set,
                negated,
                verdict: false,
                to: None,
            } => {
                let set = all.sets.get((*set)?)?;
                if loaded.is_empty() || set.changes() || !set.inner.is_empty() {
                    return None;
                }
                let mut unit = std::mem::take(&mut loaded);
                unit.extend([LOOKUP, byte(*from), u8::from(*negated)]);
                unit.extend(set.fields.iter().map(|length| byte(*length)));
                match set.is_anonymous() {
                    true => unit.extend(&set.content),
                    // What it holds may be another thing tomorrow.
                    false => unit.extend(set.name.as_bytes()),
                }
                found.push(Unit(unit));
            }
            Op::Match {
                name,
                revision,
                info,
            } => {
                if !is_plain(name) {
                    return None;
                }
                if name != "comment" {
                    let mut unit = vec![MATCH];
                    unit.extend(name.as_bytes());
                    unit.extend(revision.to_ne_bytes());
                    unit.extend(info);
                    found.push(Unit(unit));
                }
            }
            Op::Target { name, .. } if name == "REJECT" => {}
            Op::Other { name, .. }
                if matches!(name.as_str(), "reject" | "log" | "nat" | "masq" | "redir") => {}
            Op::Lookup { .. } | Op::Target { .. } | Op::Other { .. } => return None,
        }
    }
    // Loads for the target's sake would make it another rule.
    Some(found)
}

/// What conditions of different sorts begin with.
const LOAD: u8 = 1;
const BITWISE: u8 = 2;
const COMPARE: u8 = 3;
const RANGE: u8 = 4;
const LOOKUP: u8 = 5;
const MATCH: u8 = 6;

/// Registers and lengths are short.
fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Writes a step so that different steps read differently.
fn put(op: &Op, out: &mut Vec<u8>) {
    let bytes = |data: &[u8], out: &mut Vec<u8>| {
        out.push(byte(data.len()));
        out.extend(data);
    };
    match op {
        Op::Load { to, length, origin } => {
            out.extend([LOAD, byte(*to), byte(*length)]);
            match origin {
                Origin::Meta(key) => {
                    out.push(0);
                    out.extend(key.to_be_bytes());
                }
                Origin::Ct(key) => {
                    out.push(1);
                    out.extend(key.to_be_bytes());
                }
                Origin::Payload(base, offset) => {
                    out.push(2);
                    out.extend(base.to_be_bytes());
                    out.extend(offset.to_ne_bytes());
                }
                Origin::Constant(data) => {
                    out.push(3);
                    bytes(data, out);
                }
            }
        }
        Op::Bitwise {
            from,
            to,
            mask,
            xor,
        } => {
            out.extend([BITWISE, byte(*from), byte(*to)]);
            bytes(mask, out);
            bytes(xor, out);
        }
        Op::Compare { from, how, data } => {
            out.extend([COMPARE, byte(*from), *how as u8]);
            bytes(data, out);
        }
        Op::Range {
            from,
            negated,
            low,
            high,
        } => {
            out.extend([RANGE, byte(*from), u8::from(*negated)]);
            bytes(low, out);
            bytes(high, out);
        }
        Op::Lookup { .. } | Op::Match { .. } | Op::Target { .. } | Op::Other { .. } => {}
    }
}

fn of_words(clauses: &[Clause]) -> Option<Vec<Unit>> {
    let mut found = Vec::new();
    for clause in clauses {
        if clause.target {
            continue;
        }
        match clause.option.as_str() {
            "-m" | "--match" if !is_plain(clause.value()) => return None,
            "-m" | "--match" | "--comment" => {}
            option => {
                let mark = if clause.negated { "! " } else { "" };
                let text = format!("{mark}{option} {}", clause.values.join(" "));
                found.push(Unit(text.into_bytes()));
            }
        }
    }
    Some(found)
}

/// Whether rules further up may have changed it for the same packet.
const fn changes(origin: &Origin) -> bool {
    matches!(
        origin,
        Origin::Meta(
            meta::MARK
                | meta::SECMARK
                | meta::PRANDOM
                | meta::CPU
                | meta::TIME_NS
                | meta::TIME_DAY
                | meta::TIME_HOUR
        ) | Origin::Ct(
            ct::MARK
                | ct::SECMARK
                | ct::LABELS
                | ct::PKTS
                | ct::BYTES
                | ct::AVGPKT
                | ct::EXPIRATION
                | ct::HELPER
        )
    )
}

/// Matches of x_tables whose answer is the same for the same packet, whenever and wherever asked.
fn is_plain(name: &str) -> bool {
    matches!(
        name,
        "tcp"
            | "udp"
            | "udplite"
            | "sctp"
            | "dccp"
            | "icmp"
            | "icmp6"
            | "icmpv6"
            | "multiport"
            | "conntrack"
            | "state"
            | "comment"
            | "addrtype"
            | "iprange"
            | "pkttype"
            | "mac"
            | "owner"
            | "physdev"
            | "esp"
            | "ah"
            | "frag"
            | "rt"
            | "hbh"
            | "dst"
            | "ipv6header"
            | "length"
            | "rpfilter"
            | "policy"
    )
}
