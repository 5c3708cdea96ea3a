//! From a snapshot.

use std::collections::HashMap;

use super::decode::decode;
use super::legacy;
use super::{Anatomy, Base, Body, Chain, Rule, Set};
use crate::checkpoint::{Part, Snapshot};
use crate::legacy::Family;
use crate::nftables::{self, expressions};

impl Anatomy {
    /// Takes the rules of `snapshot` apart.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut all = Self::default();
        for table in &snapshot.nft.tables {
            all.table(table);
        }
        for family in Family::ALL {
            for (table, text) in snapshot.legacy.of(family) {
                all.chains.extend(legacy::chains(family, table, text));
            }
        }
        all.index = (all.chains.iter().enumerate())
            .map(|(at, chain)| ((chain.part.clone(), chain.name.clone()), at))
            .collect();
        all
    }

    fn table(&mut self, table: &nftables::Table) {
        let part = Part::Nft(table.id.clone());
        let mut sets: HashMap<&str, usize> = HashMap::new();
        for one in &table.sets {
            sets.insert(&one.name, self.sets.len());
            self.sets.push(Set::of(&part, one));
        }
        for chain in &table.chains {
            let rules = chain.rules.iter().map(|rule| {
                let (ops, verdict) = decode(expressions::of_rule(rule), &sets);
                Rule {
                    body: Body::Code(ops),
                    verdict,
                }
            });
            self.chains.push(Chain {
                part: part.clone(),
                name: chain.name.clone(),
                base: Base::of(table.id.family, chain),
                rules: rules.collect(),
            });
        }
    }
}
