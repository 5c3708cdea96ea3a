//! From a place in the kernel's rules to a line of a file.

use super::layout::{Layout, Slot};
use super::{SourceRule, Sources};
use crate::checkpoint::Part;
use crate::rehearsal::decide::Spot;

/// What the kernel calls the chain of `jump { … }` (`net/netfilter/nf_tables_api.c`).
const UNNAMED: &str = "__chain";

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule or policy that begins there, in words of its own language.
    pub text: String,
}

impl Sources {
    /// The line of the rule or policy at `spot`.
    ///
    /// `rules`: how many rules the chain has once the candidates are loaded; `kept`: how many it
    /// had before, 0 if they are gone. `None` where the two do not fit what the files say: rather
    /// nothing than the wrong line.
    #[must_use]
    pub fn locate(&self, spot: &Spot, rules: usize, kept: usize) -> Option<Place> {
        match spot.rule {
            Some(number) => {
                let index = self.index(spot, number, rules, kept)?;
                self.rules.get(index).map(of_rule)
            }
            None => self
                .policy(&spot.part, &spot.chain)
                .map(|at| self.of_policy(at))?,
        }
    }

    /// The index of rule `number` of the chain at `spot`.
    pub(super) fn index(
        &self,
        spot: &Spot,
        number: usize,
        rules: usize,
        kept: usize,
    ) -> Option<usize> {
        let layout = self.layout(spot)?;
        let chain = layout.play(|index| self.rule(index), kept)?;
        let unknown: Vec<usize> = (0..chain.len())
            .filter(|at| matches!(chain.get(*at), Some(Slot::Many(_))))
            .collect();
        // An unknown number of rules must not stand for some that were there before.
        let fits = match unknown.len() {
            0 => chain.len() == rules,
            _ => chain.len() <= rules && !layout.keeps,
        };
        let at = number.checked_sub(1).filter(|at| fits && *at < rules)?;
        let slot = match (unknown.first(), unknown.last()) {
            (Some(first), Some(last)) if at >= *first => {
                let from_end = rules - at;
                if from_end < chain.len() - last {
                    chain.get(chain.len() - from_end)
                } else if first == last {
                    chain.get(*first)
                } else {
                    None
                }
            }
            (_, _) => chain.get(at),
        };
        match slot? {
            Slot::Kept => None,
            Slot::Rule(rule) | Slot::Many(rule) => {
                Some(*rule).filter(|rule| *rule < self.rules.len())
            }
        }
    }

    pub(super) fn rule(&self, index: usize) -> Option<&SourceRule> {
        let gone = || self.layouts.gone.get(index.checked_sub(self.rules.len())?);
        self.rules.get(index).or_else(gone)
    }

    /// What the files do to the chain at `spot`.
    pub(super) fn layout(&self, spot: &Spot) -> Option<&Layout> {
        self.layouts
            .chains
            .get(&(spot.part.clone(), self.chain_of(spot)?))
    }

    /// The chain's name here. The kernel's names for chains without one tell nothing: the only
    /// one of its table can be told.
    fn chain_of(&self, spot: &Spot) -> Option<String> {
        if !is_unnamed(&spot.chain) {
            return Some(spot.chain.clone());
        }
        let first = super::nft::unnamed(1);
        let second = super::nft::unnamed(2);
        let has = |name: &str| {
            let key = (spot.part.clone(), name.to_owned());
            self.layouts.chains.contains_key(&key)
        };
        (has(&first) && !has(&second)).then_some(first)
    }

    /// The index of the chain's policy.
    pub(super) fn policy(&self, part: &Part, chain: &str) -> Option<usize> {
        self.policies
            .iter()
            .rposition(|policy| policy.part == *part && policy.chain == chain)
    }

    fn of_policy(&self, index: usize) -> Option<Place> {
        let policy = self.policies.get(index)?;
        let iptables = policy.policy.bytes().all(|byte| byte.is_ascii_uppercase());
        let text = if iptables {
            format!("-P {} {}", policy.chain, policy.policy)
        } else {
            format!("policy {}", policy.policy)
        };
        Some(Place {
            file: policy.file.clone(),
            line: policy.line,
            text,
        })
    }
}

/// Whether the kernel made up the chain's name.
pub(super) fn is_unnamed(chain: &str) -> bool {
    let number = chain.strip_prefix(UNNAMED);
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

pub(super) fn of_rule(rule: &SourceRule) -> Place {
    Place {
        file: rule.file.clone(),
        line: rule.line,
        text: rule.text.clone(),
    }
}
