//! Which members of a table stay in place.

use super::bring::Level;
use super::canonical::{Canonical, Named, Stale};
use super::compare::Compare;
use super::counts::{behind, counted, policy_count};
use super::expressions::Expression;
use super::kernel::object;
use super::model::{Chain, Object, Set, Table};
use crate::netlink::find;

/// What stays.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The target's named chains, in order, each with the live one that becomes it.
    pub chains: Vec<(&'a Chain, Option<&'a Chain>)>,
    /// Live sets that stay, by name; their elements may change.
    pub sets: Vec<&'a Set>,
    /// Live objects that stay: kind and name.
    pub objects: Vec<(u32, &'a str)>,
    /// Live flowtables that stay.
    pub flowtables: Vec<&'a str>,
}

impl<'a> Kept<'a> {
    /// What of `live` can stay to become `target`.
    pub fn find(live: &'a Table, target: &'a Table, level: Level) -> Self {
        let fine = level == Level::Fine;
        let mut old = Canonical::new(live, Compare::Rules, Stale::new());
        let mut new = Canonical::new(target, Compare::Rules, Stale::new());
        let chains = in_order(
            &live.named_chains().collect::<Vec<_>>(),
            &target.named_chains().collect::<Vec<_>>(),
            |a, b| {
                // Counting can be switched on in place, but not off.
                let counts = a.counters.is_empty() || !b.counters.is_empty();
                a.name == b.name && a.attributes == b.attributes && counts
            },
        );
        let sets = in_order(
            &live.named_sets().collect::<Vec<_>>(),
            &target.named_sets().collect::<Vec<_>>(),
            |a, b| fine && a.name == b.name && old.set_header(a) == new.set_header(b),
        );
        let objects = in_order(
            &live.objects.iter().collect::<Vec<_>>(),
            &target.objects.iter().collect::<Vec<_>>(),
            |a, b| fine && old.object(a) == new.object(b) && !behind(&count(a), &count(b)),
        );
        let flowtables = in_order(
            &live.flowtables.iter().collect::<Vec<_>>(),
            &target.flowtables.iter().collect::<Vec<_>>(),
            |a, b| fine && a == b,
        );
        Self {
            chains,
            sets: sets.into_iter().filter_map(|(_, live)| live).collect(),
            objects: objects
                .into_iter()
                .filter_map(|(_, live)| live.map(|one| (one.kind, one.name.as_str())))
                .collect(),
            flowtables: flowtables
                .into_iter()
                .filter_map(|(_, live)| live.map(|one| one.name.as_str()))
                .collect(),
        }
    }

    /// The live set of that name, when it stays.
    pub fn set(&self, name: &str) -> Option<&'a Set> {
        self.sets.iter().find(|set| set.name == name).copied()
    }

    /// Whether the object stays.
    pub fn has_object(&self, one: &Object) -> bool {
        self.objects.contains(&(one.kind, one.name.as_str()))
    }

    /// Whether the live chain of that name stays.
    pub fn has_chain(&self, name: &str) -> bool {
        let stays =
            |(_, live): &(&Chain, Option<&Chain>)| live.is_some_and(|live| live.name == name);
        self.chains.iter().any(stays)
    }

    /// What of `live` goes, or goes and comes back.
    pub fn stale(&self, live: &Table) -> Stale {
        let mut stale = Stale::new();
        let name = |name: &str| name.as_bytes().to_vec();
        for one in live.named_chains().filter(|one| !self.has_chain(&one.name)) {
            stale.insert((Named::Chain, name(&one.name)));
        }
        for one in live
            .named_sets()
            .filter(|one| self.set(&one.name).is_none())
        {
            stale.insert((Named::Set, name(&one.name)));
        }
        for one in live.objects.iter().filter(|one| !self.has_object(one)) {
            stale.insert((Named::Object, name(&one.name)));
        }
        for one in &live.flowtables {
            if !self.flowtables.contains(&one.name.as_str()) {
                stale.insert((Named::Flowtable, name(&one.name)));
            }
        }
        stale
    }
}

/// For each entry of `target` the entry of `live` that can become it.
///
/// The kernel appends what is new, so that behind the first new entry all has to
/// be made anew for the order to come out right.
fn in_order<'a, T>(
    live: &[&'a T],
    target: &[&'a T],
    mut same: impl FnMut(&T, &T) -> bool,
) -> Vec<(&'a T, Option<&'a T>)> {
    let mut rest = live.iter();
    target
        .iter()
        .map(|wanted| {
            (
                *wanted,
                rest.by_ref().find(|one| same(one, wanted)).copied(),
            )
        })
        .collect()
}

/// What a counter or quota object has counted.
fn count(one: &Object) -> Vec<u64> {
    let name: &[u8] = match one.kind {
        object::COUNTER => b"counter",
        object::QUOTA => b"quota",
        _ => return Vec::new(),
    };
    let data = find(&one.attributes, object::DATA).map_or(&[][..], |data| data.payload);
    counted(&Expression {
        name,
        data,
        has_data: true,
    })
}

/// Whether the live chain's counters were reset, or are not there, and the target's are not.
pub fn count_was_reset(live: &Chain, target: &Chain) -> bool {
    !target.counters.is_empty()
        && (live.counters.is_empty()
            || behind(
                &policy_count(&live.counters),
                &policy_count(&target.counters),
            ))
}
