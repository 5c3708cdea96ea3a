//! Rules by name, and by file and line.

use super::decide::Spot;
use super::source::{Place, SourceRule, Sources};
use crate::checkpoint::{Part, Snapshot};

/// Finds the lines of rules.
#[derive(Debug, Clone, Copy)]
pub struct Locator<'a> {
    sources: &'a Sources,
    before: &'a Snapshot,
    after: &'a Snapshot,
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

    /// The line of a rule or policy; `None` where it is not the candidates', or that is not sure.
    #[must_use]
    pub fn locate(&self, spot: &Spot) -> Option<Place> {
        let count = |snapshot| rules(snapshot, &spot.part, &spot.chain);
        if spot.rule.is_none() {
            return self.sources.locate(spot, 0, 0);
        }
        let own = |rule: &&SourceRule| rule.part == spot.part && rule.chain == spot.chain;
        let mut own = self.sources.rules.iter().filter(own).peekable();
        own.peek()?;
        let (now, before) = (count(self.after), count(self.before));
        let alone = self.sources.locate(spot, now, 0);
        let behind = self.sources.locate(spot, now, before);
        // Without all numbers, rules that may be older ones are told apart by agreement alone.
        if before > 0 && own.any(|rule| rule.makes.is_none()) {
            return alone.filter(|one| behind.as_ref() == Some(one));
        }
        alone.or(behind)
    }

    /// How many rules of the chain were there before and stay: none where that explains the
    /// place of the rule, else all.
    #[must_use]
    pub fn kept(&self, spot: &Spot) -> usize {
        let count = |snapshot| rules(snapshot, &spot.part, &spot.chain);
        match self.sources.locate(spot, count(self.after), 0) {
            Some(_) => 0,
            None => count(self.before),
        }
    }

    /// The rule itself where its line is known, else what people call it.
    #[must_use]
    pub fn quote(&self, spot: &Spot) -> String {
        match self.locate(spot) {
            Some(place) => format!("`{}`", excerpt(&place.text)),
            None => self.name(spot),
        }
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

/// How much of a rule is shown, in characters.
const EXCERPT: usize = 90;

/// The beginning of a rule, on one line.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
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
