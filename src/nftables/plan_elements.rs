//! Which elements of a set go and come.

use std::collections::HashMap;

use super::batch::Batch;
use super::canonical::{Canonical, Stale};
use super::compare::Compare;
use super::counts::{behind, counted};
use super::elements;
use super::expressions::{self, Expression};
use super::keep::Kept;
use super::kernel::{element, set};
use super::model::{Set, Table, TableId};
use crate::netlink::find;

/// What happens to the elements of a set that stays.
#[derive(Debug)]
pub enum ElementChange<'a> {
    /// All go, and all of this set's come.
    Whole(&'a Set),
    /// Single ones.
    Some {
        /// The set's name.
        name: &'a str,
        /// Live elements that go.
        delete: Vec<&'a [u8]>,
        /// Target elements that come.
        add: Vec<&'a [u8]>,
    },
}

impl<'a> ElementChange<'a> {
    /// For all sets that stay and whose elements differ.
    pub fn all(live: &'a Table, target: &'a Table, kept: &Kept<'a>) -> Vec<Self> {
        let mut old = Canonical::new(live, Compare::Rules, kept.stale(live));
        let mut new = Canonical::new(target, Compare::Rules, Stale::new());
        target
            .named_sets()
            .filter_map(|wanted| {
                let present = kept.set(&wanted.name)?;
                Self::between(present, wanted, &mut old, &mut new)
            })
            .collect()
    }

    fn between(
        present: &'a Set,
        wanted: &'a Set,
        old: &mut Canonical<'a>,
        new: &mut Canonical<'a>,
    ) -> Option<Self> {
        let mut missing: HashMap<Vec<u8>, Vec<&[u8]>> = HashMap::new();
        for payload in wanted.elements() {
            missing
                .entry(new.element(payload))
                .or_default()
                .push(payload);
        }
        old.take_touched();
        let mut delete = Vec::new();
        for payload in present.elements() {
            let form = old.element(payload);
            let touched = old.take_touched();
            let same = missing.get_mut(&form).filter(|_| !touched);
            let stays = same.and_then(|waiting| {
                let index = waiting
                    .iter()
                    .position(|one| !behind(&count(payload), &count(one)))?;
                Some(waiting.swap_remove(index))
            });
            if stays.is_none() {
                delete.push(payload);
            }
        }
        let add: Vec<_> = missing.into_values().flatten().collect();
        if delete.is_empty() && add.is_empty() {
            return None;
        }
        // Plain intervals cannot be changed piece by piece; where packets or time
        // change the elements, those that were dumped may be gone. Concatenations with
        // intervals can, and some kernels find nothing in one while it is refilled.
        let flags = wanted.flags();
        let ranges = flags & set::INTERVAL != 0 && flags & set::CONCAT == 0;
        Some(if ranges || flags & (set::TIMEOUT | set::EVAL) != 0 {
            Self::Whole(wanted)
        } else {
            let name = &wanted.name;
            Self::Some { name, delete, add }
        })
    }

    /// The messages that delete.
    pub fn delete(&self, batch: &mut Batch, id: &TableId) {
        match self {
            Self::Whole(set) => elements::flush(batch, id, &set.name),
            Self::Some { name, delete, .. } => elements::delete_some(batch, id, name, delete),
        }
    }

    /// The messages that add.
    pub fn add(&self, batch: &mut Batch, id: &TableId) {
        match self {
            Self::Whole(set) => elements::add(batch, id, &set.name, None, set),
            Self::Some { name, add, .. } => elements::add_some(batch, id, name, add),
        }
    }
}

/// What an element's counters and quotas have counted.
fn count(payload: &[u8]) -> Vec<u64> {
    let list = find(payload, element::EXPRESSIONS).map_or(&[][..], |list| list.payload);
    let one = find(payload, element::EXPR).map(|one| Expression::new(one.payload));
    one.into_iter()
        .chain(expressions::list(list))
        .flat_map(|one| counted(&one))
        .collect()
}
