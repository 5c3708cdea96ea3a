//! Which rules of a chain stay, go and come.

use super::batch::Batch;
use super::bring::Level;
use super::canonical::{Canonical, Stale};
use super::compare::Compare;
use super::counts::behind;
use super::diff;
use super::keep::Kept;
use super::model::{Chain, Rule, Table, TableId};
use super::plan::{delete_rule, delete_rules};
use super::wire::{ChainRef, Place, Source};

/// The kernel looks for handles and positions from the chain's start: beyond this
/// many steps it is faster to append all rules anew.
const STEPS_LIMIT: usize = 20_000_000;

/// What happens to the rules of one chain.
#[derive(Debug)]
pub struct RuleChange<'a> {
    name: &'a str,
    /// All live rules go.
    clear: bool,
    delete: Vec<u64>,
    create: Vec<Create<'a>>,
}

#[derive(Debug)]
struct Create<'a> {
    rule: &'a Rule,
    /// Taken from the live table: equal, and with its counters.
    is_live: bool,
    place: Place,
}

impl<'a> RuleChange<'a> {
    /// For all named chains of either table.
    pub fn all(live: &'a Table, target: &'a Table, kept: &Kept<'a>, level: Level) -> Vec<Self> {
        let mut old = Canonical::new(live, Compare::Rules, kept.stale(live));
        let mut new = Canonical::new(target, Compare::Rules, Stale::new());
        let mut changes: Vec<_> = live
            .named_chains()
            .filter(|one| target.named_chains().all(|other| other.name != one.name))
            .map(|one| Self {
                name: &one.name,
                clear: !one.rules.is_empty(),
                delete: Vec::new(),
                create: Vec::new(),
            })
            .collect();
        for (wanted, stays) in &kept.chains {
            let present = live.named_chains().find(|one| one.name == wanted.name);
            let in_place = stays.is_some() && level == Level::Fine;
            changes.push(match present {
                None => Self::new_chain(wanted),
                Some(present) => Self::between(present, wanted, in_place, &mut old, &mut new),
            });
        }
        changes
    }

    fn new_chain(wanted: &'a Chain) -> Self {
        let create = |rule| Create {
            rule,
            is_live: false,
            place: Place::End,
        };
        Self {
            name: &wanted.name,
            clear: false,
            delete: Vec::new(),
            create: wanted.rules.iter().map(create).collect(),
        }
    }

    fn between(
        present: &'a Chain,
        wanted: &'a Chain,
        in_place: bool,
        old: &mut Canonical<'a>,
        new: &mut Canonical<'a>,
    ) -> Self {
        let mut touched = Vec::with_capacity(present.rules.len());
        let mut old_forms = Vec::with_capacity(present.rules.len());
        for rule in &present.rules {
            old_forms.push(old.rule(rule));
            touched.push(old.take_touched());
        }
        let new_forms: Vec<_> = wanted.rules.iter().map(|rule| new.rule(rule)).collect();

        // Equal rules that have counted at least what the target's have.
        let mut equal: Vec<Option<usize>> = vec![None; wanted.rules.len()];
        for (at, index) in diff::kept(&old_forms, &new_forms) {
            let (a, b) = (&present.rules[at], &wanted.rules[index]);
            if a.attributes == b.attributes || !behind(&old.progress(a), &new.progress(b)) {
                equal[index] = Some(at);
            }
        }
        let mut stays = vec![false; present.rules.len()];
        if in_place {
            for at in equal.iter().flatten() {
                stays[*at] = !touched[*at];
            }
        }
        let staying = stays.iter().filter(|stays| **stays).count();
        let edits = present.rules.len() + wanted.rules.len() - 2 * staying;
        if edits.saturating_mul(present.rules.len()) > STEPS_LIMIT {
            stays.fill(false);
        }

        let clear = !present.rules.is_empty() && !stays.contains(&true);
        let gone = present
            .rules
            .iter()
            .zip(&stays)
            .filter(|(_, stays)| !**stays);
        let delete = if clear {
            Vec::new()
        } else {
            gone.map(|(rule, _)| rule.handle).collect()
        };
        let mut create = Vec::new();
        let mut place = Place::End;
        for (rule, equal) in wanted.rules.iter().zip(&equal).rev() {
            match *equal {
                Some(at) if stays[at] => place = Place::Before(present.rules[at].handle),
                Some(at) => create.push(Create {
                    rule: &present.rules[at],
                    is_live: true,
                    place,
                }),
                None => create.push(Create {
                    rule,
                    is_live: false,
                    place,
                }),
            }
        }
        create.reverse();
        Self {
            name: &wanted.name,
            clear,
            delete,
            create,
        }
    }

    /// The messages that delete.
    pub fn delete(&self, batch: &mut Batch, id: &TableId) {
        if self.clear {
            delete_rules(batch, id, self.name);
        }
        for handle in &self.delete {
            delete_rule(batch, id, self.name, *handle);
        }
    }

    /// The messages that create, with what the rules own from either table.
    pub fn create(&self, batch: &mut Batch, live: &Source<'_>, target: &Source<'_>) {
        for one in &self.create {
            let source = if one.is_live { live } else { target };
            source.put_rule(batch, ChainRef::Name(self.name), one.rule, one.place);
        }
    }
}
