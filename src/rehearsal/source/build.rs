//! Putting together what the files do, statement by statement.

use std::collections::BTreeMap;

use super::layout::{Detail, Layout, Layouts, Section, Slot, Step};
use super::{SourcePolicy, SourceRule, Sources};
use crate::checkpoint::Part;

/// What a statement empties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All nf_tables tables.
    All,
    /// Those of a family (`NFPROTO_*`).
    Family(u8),
    Table(Part),
    Chain(Part, String),
}

impl Scope {
    fn covers(&self, part: &Part, chain: &str) -> bool {
        match (self, part) {
            (Self::All, Part::Nft(_)) => true,
            (Self::Family(family), Part::Nft(id)) => id.family == *family,
            (Self::Table(table), part) => table == part,
            (Self::Chain(table, name), part) => table == part && name == chain,
            (Self::All | Self::Family(_), Part::Legacy(..) | Part::Set(_)) => false,
        }
    }
}

/// Collects rules and policies.
#[derive(Debug, Default)]
pub(super) struct Builder {
    /// The candidate that is being read.
    pub candidate: String,
    rules: Vec<(SourceRule, Detail)>,
    policies: Vec<(SourcePolicy, Option<usize>)>,
    chains: BTreeMap<(Part, String), Layout>,
    sections: Vec<Section>,
    emptied: Vec<Scope>,
}

impl Builder {
    /// The chain's layout, made now if this is the first that is heard of it.
    pub fn chain(&mut self, part: &Part, chain: &str) -> &mut Layout {
        let keeps = || !self.emptied.iter().any(|scope| scope.covers(part, chain));
        let key = (part.clone(), chain.to_owned());
        let layout = self.chains.entry(key).or_insert_with(|| Layout {
            keeps: keeps(),
            ..Layout::default()
        });
        layout.candidate.clone_from(&self.candidate);
        layout
    }

    /// Adds a rule; `step` is told its index.
    pub fn rule(&mut self, rule: SourceRule, detail: Detail, step: impl FnOnce(usize) -> Step) {
        let index = self.rules.len();
        let layout = self.chain(&rule.part, &rule.chain);
        layout.steps.push(step(index));
        self.rules.push((rule, detail));
    }

    /// Adds a policy; `end`: the line that it ends on, where nothing stands behind it.
    pub fn policy(&mut self, policy: SourcePolicy, end: Option<usize>) {
        self.chain(&policy.part, &policy.chain);
        let same = |old: &SourcePolicy| old.part == policy.part && old.chain == policy.chain;
        self.policies.retain(|(old, _)| !same(old));
        self.policies.push((policy, end));
    }

    /// Notes a table of a file in iptables-save format.
    pub fn section(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// All rules in `scope` go.
    pub fn flush(&mut self, scope: Scope) {
        for ((part, chain), layout) in &mut self.chains {
            if scope.covers(part, chain) {
                layout.steps.clear();
                layout.keeps = false;
                layout.unsure = false;
            }
        }
        self.emptied.push(scope);
    }

    /// All chains in `scope` go.
    pub fn delete(&mut self, scope: Scope) {
        self.policies
            .retain(|(policy, _)| !scope.covers(&policy.part, &policy.chain));
        self.chains
            .retain(|(part, chain), _| !scope.covers(part, chain));
        self.emptied.push(scope);
    }

    /// The chain has another name from now on.
    pub fn rename(&mut self, part: &Part, old: &str, new: &str) {
        let Some(layout) = self.chains.remove(&(part.clone(), old.to_owned())) else {
            return;
        };
        for step in &layout.steps {
            if let Some((rule, _)) = step.rule().and_then(|index| self.rules.get_mut(index)) {
                new.clone_into(&mut rule.chain);
            }
        }
        for (policy, _) in &mut self.policies {
            if policy.part == *part && policy.chain == old {
                new.clone_into(&mut policy.chain);
            }
        }
        self.chains.insert((part.clone(), new.to_owned()), layout);
    }

    /// What is left in the end.
    pub fn finish(self) -> Sources {
        let (all, details): (Vec<_>, Vec<_>) = self.rules.into_iter().unzip();
        let mut chains = self.chains;
        // Of each place in the list, the rule that stands there in the end.
        let mut order: Vec<Option<usize>> = vec![None; all.len()];
        for layout in chains.values() {
            let mut stay = stay(layout, &all);
            let mut places = stay.clone();
            places.sort_unstable();
            for (place, rule) in places.into_iter().zip(stay.drain(..)) {
                if let Some(slot) = order.get_mut(place) {
                    *slot = Some(rule);
                }
            }
        }
        let mut renumbered = vec![None; all.len()];
        for (new, old) in order.iter().flatten().enumerate() {
            if let Some(slot) = renumbered.get_mut(*old) {
                *slot = Some(new);
            }
        }
        // Rules that a later step takes away again are numbered behind the others.
        let gone: Vec<usize> = chains
            .values()
            .flat_map(|layout| layout.steps.iter().filter_map(Step::rule))
            .filter(|old| renumbered.get(*old) == Some(&None))
            .collect();
        let count = order.iter().flatten().count();
        for (at, old) in gone.iter().enumerate() {
            if let Some(slot) = renumbered.get_mut(*old) {
                *slot = Some(count + at);
            }
        }
        for layout in chains.values_mut() {
            for index in layout.steps.iter_mut().filter_map(Step::rule_mut) {
                if let Some(Some(new)) = renumbered.get(*index) {
                    *index = *new;
                }
            }
        }
        let here = order.iter().flatten();
        let details = here.filter_map(|old| details.get(*old).copied()).collect();
        let mut all: Vec<Option<SourceRule>> = all.into_iter().map(Some).collect();
        let mut take = |old: usize| all.get_mut(old).and_then(Option::take);
        let (policies, policy_ends) = self.policies.into_iter().unzip();
        Sources {
            rules: order.into_iter().flatten().filter_map(&mut take).collect(),
            policies,
            layouts: Layouts {
                chains,
                details,
                gone: gone.into_iter().filter_map(&mut take).collect(),
                policy_ends,
                sections: self.sections,
            },
        }
    }
}

/// The rules of a chain that are there in the end, each once, in order.
fn stay(layout: &Layout, rules: &[SourceRule]) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    let mut once = |rule: &usize| seen.insert(*rule);
    let takes = |step: &Step| match step {
        Step::Append(_) | Step::Insert(..) => false,
        Step::Replace(..) | Step::Delete(_) | Step::DeleteLike(_) => true,
    };
    // Which rule goes may depend on what was there before.
    let certain = !layout.keeps || !layout.steps.iter().any(takes);
    let played = layout.play(|index| rules.get(index), 0);
    match played.filter(|_| certain) {
        Some(chain) => chain
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Kept => None,
                Slot::Rule(rule) | Slot::Many(rule) => Some(rule),
            })
            .filter(&mut once)
            .collect(),
        // Places among rules that are live already are known later.
        None => layout
            .steps
            .iter()
            .filter_map(Step::rule)
            .filter(&mut once)
            .collect(),
    }
}
