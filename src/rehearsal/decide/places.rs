//! Where rules stand, by the kernel's numbers for them.

use std::collections::HashMap;

use crate::netlink::find;
use crate::nftables::expressions::{self, Expression};
use crate::nftables::kernel::expression;
use crate::nftables::{Chain, Rule, Ruleset, Table, TableId};

/// The rules of a namespace. Few are ever asked for, so they are looked up, not indexed.
#[derive(Debug, Default)]
pub struct Places {
    ruleset: Ruleset,
    /// The rule that each bound chain of a table belongs to: chain and number.
    owners: HashMap<TableId, HashMap<String, (String, usize)>>,
}

impl Places {
    /// Those of `ruleset`.
    pub fn of(ruleset: &Ruleset) -> Self {
        Self {
            ruleset: ruleset.clone(),
            owners: HashMap::new(),
        }
    }

    /// The chain of the rule with this handle, and its number from 1. Of a rule in a bound
    /// chain (`jump { … }`), those of the rule that stands in a chain with a name.
    pub fn find(&mut self, id: &TableId, chain: &str, handle: u64) -> Option<(String, usize)> {
        let table = self.ruleset.table(id)?;
        let found = chain_of(table, chain)?;
        let (index, _) = rule_of(found, handle)?;
        let mut place = (chain.to_owned(), index + 1);
        if !found.is_bound() {
            return Some(place);
        }
        let owners = self.owners.entry(id.clone());
        let owners = owners.or_insert_with(|| owners_in(table));
        // Bound chains hang in one another only as deep as there are chains.
        for _ in 0..table.chains.len() {
            match owners.get(&place.0) {
                Some(owner) => place = owner.clone(),
                None => return Some(place),
            }
        }
        None
    }

    /// Whether the rule keeps a packet in order to answer it, and lets the flow go on.
    pub fn answers(&self, id: &TableId, chain: &str, handle: u64) -> bool {
        let chain = self
            .ruleset
            .table(id)
            .and_then(|table| chain_of(table, chain));
        let rule = chain.and_then(|chain| rule_of(chain, handle));
        rule.is_some_and(|(_, rule)| expressions::of_rule(rule).any(|one| is_synproxy(&one)))
    }
}

fn chain_of<'a>(table: &'a Table, name: &str) -> Option<&'a Chain> {
    table.chains.iter().find(|chain| chain.name == name)
}

fn rule_of(chain: &Chain, handle: u64) -> Option<(usize, &Rule)> {
    let mut rules = chain.rules.iter().enumerate();
    rules.find(|(_, rule)| rule.handle == handle)
}

fn owners_in(table: &Table) -> HashMap<String, (String, usize)> {
    let mut owners = HashMap::new();
    let all = table.chains.iter().filter(|chain| chain.is_bound());
    let all: HashMap<&[u8], &Chain> = all.map(|chain| (chain.name.as_bytes(), chain)).collect();
    let bound = |name: &[u8]| all.get(name);
    for chain in &table.chains {
        for (index, rule) in chain.rules.iter().enumerate() {
            for inner in expressions::of_rule(rule)
                .filter_map(|one| jumps_to(&one))
                .filter_map(bound)
            {
                owners.insert(inner.name.clone(), (chain.name.clone(), index + 1));
            }
        }
    }
    owners
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
