//! `NFTA_RULE_COMPAT`: what xtables matches and targets are told about the rule.
//!
//! The kernel never dumps it, and x_tables extensions check it (`nft_compat.c`).

use super::expressions::Expression;
use super::kernel::expression;
use crate::netlink::find;

/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;
/// `NFPROTO_BRIDGE`.
const BRIDGE: u8 = 7;
/// `NFPROTO_IPV6`.
const IPV6: u8 = 10;
/// `NFT_PAYLOAD_LL_HEADER` and `NFT_PAYLOAD_NETWORK_HEADER`.
const LINK_HEADER: u32 = 0;
const NETWORK_HEADER: u32 = 1;
/// `NFT_RULE_COMPAT_F_INV`.
const INVERTED: u32 = 2;

/// Protocol and flags for `NFTA_RULE_COMPAT` of a rule in a table of `family`,
/// when the rule has an xtables match or target and tests for a protocol.
pub fn protocol<'a>(
    family: u8,
    expressions: impl Iterator<Item = Expression<'a>>,
) -> Option<(u32, u32)> {
    let mut has_extension = false;
    let mut found = None;
    let mut expected_bytes = None;
    for one in expressions {
        match one.name {
            b"match" | b"target" => has_extension = true,
            b"cmp" if found.is_none() => {
                found = expected_bytes
                    .take()
                    .and_then(|bytes| compared(&one, bytes));
            }
            b"meta" => expected_bytes = from_meta(family, &one),
            b"payload" => expected_bytes = from_payload(family, &one),
            _ => {}
        }
    }
    found.filter(|_| has_extension)
}

/// Length of the protocol that the expression loads, in bytes.
fn from_meta(family: u8, one: &Expression<'_>) -> Option<usize> {
    match find(one.data, expression::META_KEY)?.be32()? {
        expression::META_L4PROTO if family != BRIDGE => Some(1),
        expression::META_PROTOCOL if family == BRIDGE => Some(2),
        _ => None,
    }
}

fn from_payload(family: u8, one: &Expression<'_>) -> Option<usize> {
    let number = |kind| find(one.data, kind).and_then(|attribute| attribute.be32());
    let base = number(expression::PAYLOAD_BASE)?;
    let offset = number(expression::PAYLOAD_OFFSET)?;
    let length = number(expression::PAYLOAD_LEN)?;
    match (family, base, offset, length) {
        (IPV4, NETWORK_HEADER, 9, 1) | (IPV6, NETWORK_HEADER, 6, 1) => Some(1),
        (BRIDGE, LINK_HEADER, 12, 2) => Some(2),
        _ => None,
    }
}

fn compared(one: &Expression<'_>, bytes: usize) -> Option<(u32, u32)> {
    let data = find(one.data, expression::CMP_DATA)?;
    let value = find(data.payload, expression::DATA_VALUE)?.payload;
    if value.len() != bytes {
        return None;
    }
    let protocol = match *value {
        [byte] => u32::from(byte),
        [first, second] => u32::from(u16::from_ne_bytes([first, second])),
        _ => return None,
    };
    let operation = find(one.data, expression::CMP_OP)?.be32()?;
    let flags = if operation == expression::CMP_NEQ {
        INVERTED
    } else {
        0
    };
    Some((protocol, flags))
}
