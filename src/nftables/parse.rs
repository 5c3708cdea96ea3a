//! Objects from dumped messages: what identifies them apart, the rest byte for byte.

use super::kernel::{chain, flowtable, object, rule, set, table};
use super::model::{Chain, Flowtable, Object, Rule, Set, Table, TableId};
use crate::netlink::{Attribute, Attributes, Builder};

/// A table, without what it holds.
pub fn table_of(id: TableId, attributes: Attributes<'_>) -> Table {
    let strip = [table::NAME, table::USE, table::HANDLE, table::PAD];
    Table {
        id,
        handle: first(attributes, table::HANDLE)
            .and_then(|handle| handle.be64())
            .unwrap_or(0),
        attributes: without(attributes, &strip),
        chains: Vec::new(),
        objects: Vec::new(),
        flowtables: Vec::new(),
        sets: Vec::new(),
    }
}

/// The attributes but those whose kind is in `strip`, byte for byte.
fn without(attributes: Attributes<'_>, strip: &[u16]) -> Vec<u8> {
    let mut kept = Builder::new();
    for attribute in attributes {
        if !strip.contains(&attribute.kind()) {
            kept.put(attribute.raw_kind, attribute.payload);
        }
    }
    kept.as_bytes().to_vec()
}

fn first(attributes: Attributes<'_>, kind: u16) -> Option<Attribute<'_>> {
    attributes.into_iter().find(|one| one.kind() == kind)
}

/// A string attribute; empty where it is missing.
pub fn text(attributes: Attributes<'_>, kind: u16) -> String {
    first(attributes, kind).map_or_else(String::new, |one| one.text())
}

/// A chain, without its rules.
pub fn chain_of(attributes: Attributes<'_>) -> Chain {
    let strip = [
        chain::TABLE,
        chain::NAME,
        chain::HANDLE,
        chain::USE,
        chain::PAD,
        chain::ID,
        chain::POLICY,
        chain::COUNTERS,
    ];
    Chain {
        name: text(attributes, chain::NAME),
        attributes: without(attributes, &strip),
        policy: first(attributes, chain::POLICY).and_then(|policy| policy.be32()),
        counters: first(attributes, chain::COUNTERS)
            .map_or_else(Vec::new, |counters| counters.payload.to_vec()),
        rules: Vec::new(),
    }
}

/// A rule.
pub fn rule_of(attributes: Attributes<'_>) -> Rule {
    let strip = [
        rule::TABLE,
        rule::CHAIN,
        rule::HANDLE,
        rule::POSITION,
        rule::PAD,
    ];
    Rule {
        handle: first(attributes, rule::HANDLE)
            .and_then(|handle| handle.be64())
            .unwrap_or(0),
        attributes: without(attributes, &strip),
    }
}

/// A stateful object.
pub fn object_of(attributes: Attributes<'_>) -> Object {
    let strip = [
        object::TABLE,
        object::NAME,
        object::USE,
        object::HANDLE,
        object::PAD,
    ];
    Object {
        name: text(attributes, object::NAME),
        kind: first(attributes, object::TYPE)
            .and_then(|kind| kind.be32())
            .unwrap_or(0),
        attributes: without(attributes, &strip),
    }
}

/// A flowtable.
pub fn flowtable_of(attributes: Attributes<'_>) -> Flowtable {
    let strip = [
        flowtable::TABLE,
        flowtable::NAME,
        flowtable::USE,
        flowtable::HANDLE,
        flowtable::PAD,
    ];
    Flowtable {
        name: text(attributes, flowtable::NAME),
        attributes: without(attributes, &strip),
    }
}

/// A set, without its elements.
pub fn set_of(attributes: Attributes<'_>) -> Set {
    let strip = [
        set::TABLE,
        set::NAME,
        set::ID,
        set::PAD,
        set::HANDLE,
        set::TYPE,
        set::COUNT,
    ];
    Set {
        name: text(attributes, set::NAME),
        attributes: without(attributes, &strip),
        elements: Vec::new(),
    }
}
