//! Whether two captures hold the same.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::canonical::{Canonical, Stale};
use super::model::{Chain, Flowtable, Object, Ruleset, Set, Table, TableId};
use super::moving;

/// What counts as a difference.
///
/// Never: handles, generations, names that the kernel invented, the order of a
/// set's elements, the time that elements have left, the time in `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Everything else, counters and quotas included.
    Exact,
    /// All but what passing packets change: counters, consumed quotas, `last`.
    Rules,
    /// As [`Compare::Rules`], where packets have passed since the first look: elements that came
    /// to sets which packets fill do not count, nor do those with a time limit that left them.
    Live,
}

impl Ruleset {
    /// The tables that differ between the two, those that only one has included.
    #[must_use]
    pub fn differing(&self, other: &Self, how: Compare) -> Vec<TableId> {
        self.differing_after(other, how, Duration::ZERO)
    }

    /// As [`Ruleset::differing`], where `other` was captured `elapsed` later: an
    /// element that had no more time left than that may be gone.
    #[must_use]
    pub fn differing_after(&self, other: &Self, how: Compare, elapsed: Duration) -> Vec<TableId> {
        let ids: BTreeSet<&TableId> = self
            .tables
            .iter()
            .chain(&other.tables)
            .map(|table| &table.id)
            .collect();
        ids.into_iter()
            .filter(|id| match (self.table(id), other.table(id)) {
                (Some(one), Some(two)) => !Pair::new(one, two, how).after(elapsed).equal(),
                _ => true,
            })
            .cloned()
            .collect()
    }
}

/// Two tables to compare.
pub struct Pair<'a> {
    one: &'a Table,
    two: &'a Table,
    canonical: (Canonical<'a>, Canonical<'a>),
    how: Compare,
    elapsed: Duration,
    filled: HashSet<&'a [u8]>,
}

impl<'a> Pair<'a> {
    /// Prepares to compare `one` with `two`.
    pub fn new(one: &'a Table, two: &'a Table, how: Compare) -> Self {
        let canonical = |table| Canonical::new(table, how, Stale::new());
        Self {
            one,
            two,
            canonical: (canonical(one), canonical(two)),
            how,
            elapsed: Duration::ZERO,
            filled: if how == Compare::Live {
                moving::filled_by_packets(one)
            } else {
                HashSet::new()
            },
        }
    }

    /// The second was captured so much later.
    #[must_use]
    pub const fn after(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// Whether they are equal; the order of chains, sets, objects and flowtables counts.
    pub fn equal(&mut self) -> bool {
        let (one, two) = (self.one, self.two);
        one == two
            || one.attributes == two.attributes
                && all(&one.flowtables, &two.flowtables, |a, b| {
                    self.flowtables(a, b)
                })
                && all(&one.objects, &two.objects, |a, b| self.objects(a, b))
                && all(one.named_sets(), two.named_sets(), |a, b| {
                    self.headers(a, b) && self.elements(a, b)
                })
                && all(one.named_chains(), two.named_chains(), |a, b| {
                    self.chains(a, b) && self.rules(a, b)
                })
    }

    /// Whether sets and the chains that are on no hook are equal.
    pub fn equal_apart_from_hooks(&mut self) -> bool {
        let regular = |table: &'a Table| table.named_chains().filter(|chain| !chain.is_base());
        let (one, two) = (self.one, self.two);
        all(one.named_sets(), two.named_sets(), |a, b| {
            self.headers(a, b) && self.elements(a, b)
        }) && all(regular(one), regular(two), |a, b| {
            self.chains(a, b) && self.rules(a, b)
        })
    }

    /// Whether two flowtables are equal.
    pub fn flowtables(&self, a: &Flowtable, b: &Flowtable) -> bool {
        a == b
    }

    /// Whether two objects are equal.
    pub fn objects(&mut self, a: &Object, b: &Object) -> bool {
        a == b || self.canonical.0.object(a) == self.canonical.1.object(b)
    }

    /// Whether the headers of two sets are equal.
    pub fn headers(&mut self, a: &Set, b: &Set) -> bool {
        self.canonical.0.set_header(a) == self.canonical.1.set_header(b)
    }

    /// Whether two sets hold the same elements.
    pub fn elements(&mut self, a: &Set, b: &Set) -> bool {
        a.elements == b.elements
            || self.canonical.0.elements(a) == self.canonical.1.elements(b)
            || self.moved_by_themselves(a, b)
    }

    /// Whether no more has happened to the elements than time and packets bring about.
    fn moved_by_themselves(&mut self, a: &Set, b: &Set) -> bool {
        let filled = self.filled.contains(a.name.as_bytes());
        if !filled && !moving::has_time_limits(a) {
            return false;
        }
        let mut left: HashMap<Vec<u8>, usize> = HashMap::new();
        for payload in b.elements() {
            *left.entry(self.canonical.1.element(payload)).or_default() += 1;
        }
        let (mut expired, mut ends) = (0_usize, 0_usize);
        for payload in a.elements() {
            if let Some(count) = left.get_mut(&self.canonical.0.element(payload))
                && *count > 0
            {
                *count -= 1;
                continue;
            }
            match moving::time_left(payload) {
                Some(time) if filled || time <= self.elapsed => expired += 1,
                None if moving::ends_interval(payload) => ends += 1,
                Some(_) | None => return false,
            }
        }
        // An interval's end goes with its start.
        ends <= expired && (filled || left.values().all(|count| *count == 0))
    }

    /// Whether two chains are equal apart from their rules.
    pub fn chains(&self, a: &Chain, b: &Chain) -> bool {
        a.name == b.name
            && a.attributes == b.attributes
            && a.policy == b.policy
            && a.counters.is_empty() == b.counters.is_empty()
            && (self.how != Compare::Exact || a.counters == b.counters)
    }

    /// Whether two chains hold the same rules.
    pub fn rules(&mut self, a: &Chain, b: &Chain) -> bool {
        let plain = self.canonical.0.is_plain() && self.canonical.1.is_plain();
        all(&a.rules, &b.rules, |a, b| {
            plain && a.attributes == b.attributes
                || self.canonical.0.rule(a) == self.canonical.1.rule(b)
        })
    }

    /// The canonical forms of two chains' rules.
    pub fn rule_forms(&mut self, a: &Chain, b: &Chain) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (one, two) = (&mut self.canonical.0, &mut self.canonical.1);
        (
            a.rules.iter().map(|rule| one.rule(rule)).collect(),
            b.rules.iter().map(|rule| two.rule(rule)).collect(),
        )
    }
}

/// Whether two sequences are equal, entry by entry.
fn all<T: Copy>(
    one: impl IntoIterator<Item = T>,
    two: impl IntoIterator<Item = T>,
    mut equal: impl FnMut(T, T) -> bool,
) -> bool {
    let (mut one, mut two) = (one.into_iter(), two.into_iter());
    loop {
        match (one.next(), two.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if equal(a, b) => {}
            _ => return false,
        }
    }
}
