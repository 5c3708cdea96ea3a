//! Where rules stand, by the kernel's numbers for them.

use std::collections::{BTreeSet, HashMap};

use crate::netlink::find;
use crate::nftables::expressions::{self, Expression};
use crate::nftables::kernel::expression;
use crate::nftables::{Chain, Ruleset, Table, TableId};

/// The rules of a namespace.
#[derive(Debug, Default)]
pub struct Places {
    tables: HashMap<TableId, Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    chains: Vec<String>,
    /// Of a bound chain, the rule that it belongs to: chain and number.
    owners: HashMap<usize, (usize, usize)>,
    /// Chain and number, from 1, of each handle.
    rules: HashMap<u64, (usize, usize)>,
    /// Handles of rules that answer for the destination (`synproxy`).
    answering: BTreeSet<u64>,
}

impl Places {
    /// Those of `ruleset`.
    pub fn of(ruleset: &Ruleset) -> Self {
        let tables = &ruleset.tables;
        Self {
            tables: tables
                .iter()
                .map(|table| (table.id.clone(), Rules::of(table)))
                .collect(),
        }
    }

    /// The chain of the rule with this handle, and its number from 1. Of a rule in a bound
    /// chain (`jump { … }`), those of the rule that stands in a chain with a name.
    pub fn find(&self, table: &TableId, chain: &str, handle: u64) -> Option<(&str, usize)> {
        let table = self.tables.get(table)?;
        let mut place = *table.rules.get(&handle)?;
        // The number may have been given again, in a table made anew.
        if table.chains.get(place.0)? != chain {
            return None;
        }
        // Bound chains hang in one another only as deep as there are chains.
        for _ in 0..table.chains.len() {
            match table.owners.get(&place.0) {
                Some(owner) => place = *owner,
                None => return Some((table.chains.get(place.0)?, place.1)),
            }
        }
        None
    }

    /// Whether the rule keeps a packet in order to answer it, and lets the flow go on.
    pub fn answers(&self, table: &TableId, handle: u64) -> bool {
        let table = self.tables.get(table);
        table.is_some_and(|table| table.answering.contains(&handle))
    }
}

impl Rules {
    fn of(table: &Table) -> Self {
        let mut all = Self {
            chains: table.chains.iter().map(|one| one.name.clone()).collect(),
            ..Self::default()
        };
        let bound: HashMap<&[u8], usize> = table
            .chains
            .iter()
            .enumerate()
            .filter(|(_, chain)| chain.is_bound())
            .map(|(at, chain)| (chain.name.as_bytes(), at))
            .collect();
        for (at, chain) in table.chains.iter().enumerate() {
            all.read(at, chain, &bound);
        }
        all
    }

    fn read(&mut self, at: usize, chain: &Chain, bound: &HashMap<&[u8], usize>) {
        for (index, rule) in chain.rules.iter().enumerate() {
            let place = (at, index + 1);
            self.rules.insert(rule.handle, place);
            for one in expressions::of_rule(rule) {
                if is_synproxy(&one) {
                    self.answering.insert(rule.handle);
                }
                let inner = jumps_to(&one).and_then(|name| bound.get(name));
                self.owners.extend(inner.map(|inner| (*inner, place)));
            }
        }
    }
}

fn is_synproxy(one: &Expression<'_>) -> bool {
    match one.name {
        b"synproxy" => true,
        b"target" => find(one.data, expression::XT_NAME)
            .is_some_and(|name| expressions::bare(name.payload) == b"SYNPROXY"),
        _ => false,
    }
}

fn jumps_to<'a>(one: &Expression<'a>) -> Option<&'a [u8]> {
    if one.name != b"immediate" {
        return None;
    }
    let data = find(one.data, expression::IMMEDIATE_DATA)?;
    expressions::verdict_chain(data.payload)
}
