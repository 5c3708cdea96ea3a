//! The kernel's ipset indexes in rules.
//!
//! x_tables' `set` match and `SET` target hold an index that the set got when it was
//! created in its namespace (`linux/netfilter/xt_set.h`), not its name.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::expressions::{self, Expression, bare};
use super::kernel::{LIST_ELEM, expression, rule};
use super::model::{Rule, Ruleset};
use crate::netlink::{Attributes, Builder, find};

/// `IPSET_INVALID_ID`: no set at this place.
const NONE: u16 = 0xffff;

impl Ruleset {
    /// The indexes of all ipsets that rules refer to.
    #[must_use]
    pub fn set_indexes(&self) -> BTreeSet<u16> {
        let chains = self.tables.iter().flat_map(|table| &table.chains);
        let rules = chains.flat_map(|chain| &chain.rules);
        rules
            .flat_map(expressions::of_rule)
            .flat_map(|one| indexes(&one))
            .map(|(_, index)| index)
            .collect()
    }

    /// The same rules with every ipset index replaced by what `map` says for it.
    ///
    /// # Errors
    /// [`Error::UnknownSetIndex`] for an index that `map` lacks.
    pub fn with_set_indexes(&self, map: &BTreeMap<u16, u16>) -> Result<Self, Error> {
        let mut translated = self.clone();
        for table in &mut translated.tables {
            for chain in &mut table.chains {
                for rule in &mut chain.rules {
                    let known = translate(rule, map);
                    known.map_err(|index| Error::UnknownSetIndex {
                        index,
                        table: table.id.to_string(),
                        chain: chain.name.clone(),
                    })?;
                }
            }
        }
        Ok(translated)
    }
}

/// Where in the extension's data indexes stand, in bytes.
fn offsets(one: &Expression<'_>) -> &'static [usize] {
    let name = find(one.data, expression::XT_NAME).map_or(&[][..], |name| bare(name.payload));
    let revision = find(one.data, expression::XT_REVISION).and_then(|revision| revision.be32());
    match (one.name, name, revision) {
        (b"match", b"set", _) => &[0],
        (b"target", b"SET", Some(0)) => &[0, 32],
        (b"target", b"SET", Some(1 | 2)) => &[0, 4],
        (b"target", b"SET", _) => &[0, 4, 8],
        _ => &[],
    }
}

/// Offset and value of each index in the expression.
fn indexes(one: &Expression<'_>) -> Vec<(usize, u16)> {
    let info = find(one.data, expression::XT_INFO).map_or(&[][..], |info| info.payload);
    offsets(one)
        .iter()
        .filter_map(|at| {
            let bytes = info.get(*at..at + 2)?.try_into().ok()?;
            Some((*at, u16::from_ne_bytes(bytes)))
        })
        .filter(|(_, index)| *index != NONE)
        .collect()
}

/// Replaces the indexes in a rule; the error is the one that is not in `map`.
fn translate(one: &mut Rule, map: &BTreeMap<u16, u16>) -> Result<(), u16> {
    let used: Vec<_> = expressions::of_rule(one)
        .flat_map(|one| indexes(&one))
        .collect();
    if used.is_empty() {
        return Ok(());
    }
    if let Some((_, unknown)) = used.iter().find(|(_, index)| !map.contains_key(index)) {
        return Err(*unknown);
    }
    let mut out = Builder::new();
    for attribute in Attributes::new(&one.attributes) {
        if attribute.kind() == rule::EXPRESSIONS {
            out.nest(rule::EXPRESSIONS, |out| {
                for one in expressions::list(attribute.payload) {
                    put_translated(&one, map, out);
                }
            });
        } else {
            out.put(attribute.raw_kind, attribute.payload);
        }
    }
    one.attributes = out.as_bytes().to_vec();
    Ok(())
}

fn put_translated(one: &Expression<'_>, map: &BTreeMap<u16, u16>, out: &mut Builder) {
    expressions::put(out, LIST_ELEM, one, |out| {
        for attribute in one.attributes() {
            let mut payload = attribute.payload.to_vec();
            if attribute.kind() == expression::XT_INFO {
                for (at, index) in indexes(one) {
                    let new = map.get(&index).copied().unwrap_or(index);
                    payload[at..at + 2].copy_from_slice(&new.to_ne_bytes());
                }
            }
            out.put(attribute.raw_kind, &payload);
        }
    });
}
