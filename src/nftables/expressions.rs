//! Walking over the expressions of rules, sets and elements.

use super::kernel::{LIST_ELEM, expression, rule};
use super::model::Rule;
use crate::netlink::{Attribute, Attributes, Builder, find};

/// One expression: what it is called, and its attributes.
#[derive(Debug, Clone, Copy)]
pub struct Expression<'a> {
    /// `counter`, `lookup`, `match`, …
    pub name: &'a [u8],
    /// Content of `NFTA_EXPR_DATA`.
    pub data: &'a [u8],
    /// Whether there was an `NFTA_EXPR_DATA` at all.
    pub has_data: bool,
}

impl<'a> Expression<'a> {
    /// The expression in `payload`, which holds `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
    pub fn new(payload: &'a [u8]) -> Self {
        let data = find(payload, expression::DATA);
        Self {
            name: find(payload, expression::NAME).map_or(&[], |name| bare(name.payload)),
            data: data.map_or(&[], |data| data.payload),
            has_data: data.is_some(),
        }
    }

    /// The expression's attributes.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.data)
    }
}

/// The expressions in a list (`NFTA_LIST_ELEM` each).
pub fn list(payload: &[u8]) -> impl Iterator<Item = Expression<'_>> {
    Attributes::new(payload)
        .filter(|item| item.kind() == LIST_ELEM)
        .map(|item| Expression::new(item.payload))
}

/// The expressions of a rule.
pub fn of_rule(one: &Rule) -> impl Iterator<Item = Expression<'_>> {
    list(find(&one.attributes, rule::EXPRESSIONS).map_or(&[], |list| list.payload))
}

/// Writes `one` as attribute `kind`; `data` writes what it holds.
pub fn put(out: &mut Builder, kind: u16, one: &Expression<'_>, data: impl FnOnce(&mut Builder)) {
    out.nest(kind, |out| {
        put_name(out, one.name);
        if one.has_data {
            out.nest(expression::DATA, data);
        }
    });
}

fn put_name(out: &mut Builder, name: &[u8]) {
    let mut bytes = name.to_vec();
    bytes.push(0);
    out.put(expression::NAME, &bytes);
}

/// A string attribute's content without the terminating NUL.
pub fn bare(payload: &[u8]) -> &[u8] {
    let end = payload.iter().position(|byte| *byte == 0);
    &payload[..end.unwrap_or(payload.len())]
}

/// The chain's name in a verdict (content of `NFTA_SET_ELEM_DATA` or `NFTA_IMMEDIATE_DATA`).
pub fn verdict_chain(data: &[u8]) -> Option<&[u8]> {
    let verdict = find(data, expression::DATA_VERDICT)?;
    find(verdict.payload, expression::VERDICT_CHAIN).map(|chain| bare(chain.payload))
}

/// The name of the set that `attribute` of the expression called `name` refers to.
pub fn set_reference<'a>(name: &[u8], attribute: &Attribute<'a>) -> Option<&'a [u8]> {
    let refers = match name {
        b"lookup" => attribute.kind() == expression::LOOKUP_SET,
        b"dynset" => attribute.kind() == expression::DYNSET_SET_NAME,
        b"objref" => attribute.kind() == expression::OBJREF_SET_NAME,
        _ => false,
    };
    refers.then(|| bare(attribute.payload))
}
