//! Sets and maps of nf_tables.

use std::collections::HashMap;

use super::decode::{decode, verdict};
use super::{Answer, Op, Verdict};
use crate::checkpoint::Part;
use crate::netlink::find;
use crate::nftables::expressions::{self, Expression};
use crate::nftables::kernel::{element, expression, set};
use crate::nftables::{self};

/// `NFTA_SET_KEY_LEN`.
const KEY_LENGTH: u16 = 5;
/// `NFTA_SET_OBJ_TYPE`.
const OBJECT_TYPE: u16 = 15;
/// `NFTA_SET_DESC_CONCAT` and `NFTA_SET_FIELD_LEN`.
const DESC_CONCAT: u16 = 2;
const FIELD_LENGTH: u16 = 1;
/// `NFT_SET_ELEM_CATCHALL`.
const CATCHALL: u32 = 2;
/// Parts of a concatenation begin at multiples of this, in bytes.
const REGISTER: usize = 4;

/// A set or map.
#[derive(Debug, Clone)]
pub struct Set {
    /// Its table.
    pub part: Part,
    /// Its name.
    pub name: String,
    /// `NFT_SET_*`.
    pub flags: u32,
    /// Lengths of the parts of its keys, in bytes.
    pub fields: Vec<usize>,
    /// What it holds.
    pub elements: Vec<Element>,
    /// What is done for each element that is found: counting, limits, quotas.
    pub inner: Vec<Op>,
    /// The kind of the objects that a map says (`NFT_OBJECT_*`).
    pub objects: Option<u32>,
    /// What tells its content from another's.
    pub content: Vec<u8>,
}

/// An element.
#[derive(Debug, Clone)]
pub struct Element {
    /// The key, or where its range begins.
    pub key: Vec<u8>,
    /// Where the range ends, in sets of concatenated ranges.
    pub key_end: Option<Vec<u8>>,
    /// Whether this is the first key behind a range.
    pub ends: bool,
    /// Whether it stands for all keys that nothing else stands for.
    pub catchall: bool,
    /// What a verdict map says.
    pub verdict: Option<Verdict>,
}

impl Set {
    /// Of a table.
    #[must_use]
    pub fn of(part: &Part, one: &nftables::Set) -> Self {
        let number = |kind| find(&one.attributes, kind).and_then(|one| one.be32());
        let length = number(KEY_LENGTH).map_or(0, |length| length as usize);
        let fields: Vec<usize> = find(&one.attributes, set::DESC)
            .and_then(|desc| find(desc.payload, DESC_CONCAT))
            .map(|concat| {
                let field = |one: &[u8]| find(one, FIELD_LENGTH).and_then(|length| length.be32());
                let fields = concat.nested();
                fields
                    .filter_map(|one| field(one.payload))
                    .map(|length| length as usize)
                    .collect()
            })
            .unwrap_or_default();
        let single = find(&one.attributes, set::EXPR).map(|one| Expression::new(one.payload));
        let many = find(&one.attributes, set::EXPRESSIONS).map_or(&[][..], |list| list.payload);
        let inner = single.into_iter().chain(expressions::list(many));
        let (inner, _) = decode(inner, &HashMap::new());
        let mut parts: Vec<&[u8]> = one.elements().collect();
        parts.sort_unstable();
        Self {
            part: part.clone(),
            name: one.name.clone(),
            flags: one.flags(),
            fields: if fields.is_empty() {
                vec![length]
            } else {
                fields
            },
            elements: one.elements().map(Element::of).collect(),
            inner,
            objects: number(OBJECT_TYPE),
            content: parts.concat(),
        }
    }

    /// Whether rules or people put elements in while it is in use.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.flags & (set::EVAL | set::TIMEOUT) != 0
    }

    /// Whether what is in it does not stay for ever.
    #[must_use]
    pub const fn expires(&self) -> bool {
        self.flags & set::TIMEOUT != 0
    }

    /// Whether it belongs to the one rule that uses it.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.flags & set::ANONYMOUS != 0
    }

    /// Whether its elements are ranges.
    #[must_use]
    pub const fn is_ranges(&self) -> bool {
        self.flags & set::INTERVAL != 0
    }

    /// Whether `key` is in it, and what the map says; `None` is a key that is not known.
    #[must_use]
    pub fn lookup(&self, key: Option<&[u8]>) -> (Answer, Vec<&Verdict>) {
        let all = || self.elements.iter().filter_map(|one| one.verdict.as_ref());
        let Some(key) = key.filter(|_| !self.changes() && self.inner.is_empty()) else {
            let answer = Answer::sure(false);
            let empty = self.elements.is_empty() && !self.changes();
            let answer = if empty { answer } else { Answer::Maybe };
            return (answer, all().collect());
        };
        let named = self.elements.iter().filter(|one| !one.catchall);
        let found = if self.flags & set::INTERVAL == 0 {
            named.into_iter().find(|one| one.key == key)
        } else if self.flags & set::CONCAT != 0 {
            named.into_iter().find(|one| self.spans(one, key))
        } else {
            // The last boundary up to the key; where a range begins as another ends, it begins.
            let mut last: Option<&Element> = None;
            for one in named.filter(|one| one.key.as_slice() <= key) {
                let later = last.is_none_or(|last| {
                    one.key > last.key || one.key == last.key && (last.ends || !one.ends)
                });
                if later {
                    last = Some(one);
                }
            }
            last.filter(|one| !one.ends)
        };
        let found = found.or_else(|| self.elements.iter().find(|one| one.catchall));
        match found {
            Some(one) => (Answer::Yes, one.verdict.iter().collect()),
            None => (Answer::No, Vec::new()),
        }
    }

    fn spans(&self, one: &Element, key: &[u8]) -> bool {
        let end = one.key_end.as_ref().unwrap_or(&one.key);
        let mut at = 0;
        self.fields.iter().all(|length| {
            let range = at..at + length;
            at += length.next_multiple_of(REGISTER);
            let parts = (
                one.key.get(range.clone()),
                end.get(range.clone()),
                key.get(range),
            );
            matches!(parts, (Some(low), Some(high), Some(key)) if low <= key && key <= high)
        })
    }
}

impl Element {
    fn of(bytes: &[u8]) -> Self {
        let value = |kind| {
            find(bytes, kind)
                .and_then(|key| find(key.payload, expression::DATA_VALUE))
                .map(|value| value.payload.to_vec())
        };
        let flags = find(bytes, element::FLAGS).and_then(|flags| flags.be32());
        let flags = flags.unwrap_or(0);
        Self {
            key: value(element::KEY).unwrap_or_default(),
            key_end: value(element::KEY_END),
            ends: flags & element::INTERVAL_END != 0,
            catchall: flags & CATCHALL != 0,
            verdict: find(bytes, element::DATA).and_then(|data| verdict(data.payload)),
        }
    }
}
