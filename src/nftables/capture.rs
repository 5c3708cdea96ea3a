//! Reading what a namespace holds, consistently.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::compare::{Compare, Pair};
use super::error::Error;
use super::model::{Ruleset, Table, TableId};
use super::reader::{Reader, Reading};

/// How long a ruleset that keeps changing is read again.
const TIME_LIMIT: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What was live, as far as others let it be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// What was read.
    pub ruleset: Ruleset,
    /// Tables that others changed all the time: what was read of them is no one state.
    pub unsettled: Vec<TableId>,
}

impl Ruleset {
    /// Reads all tables; empty on a kernel without nf_tables.
    ///
    /// # Errors
    /// [`Error::Unsettled`] when the rules change all the time, or what the kernel says.
    pub fn capture() -> Result<Self, Error> {
        let look = look(&|_| true, TIME_LIMIT)?;
        if look.unsettled.is_empty() {
            Ok(look.ruleset)
        } else {
            let seconds = TIME_LIMIT.as_secs();
            Err(Error::Unsettled { seconds })
        }
    }

    /// As [`Ruleset::capture`], for no longer than `limit` (but two readings): then with
    /// those tables named that others keep changing.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn look(limit: Duration) -> Result<Look, Error> {
        look(&|_| true, limit)
    }

    /// As [`Ruleset::look`], at `tables` only: what happens to others costs no time.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn look_at(tables: &[TableId], limit: Duration) -> Result<Look, Error> {
        look(&|id| tables.contains(id), limit)
    }
}

/// Reads until nobody committed meanwhile, or two readings in a row are the same: then
/// that is what was there between the two.
fn look(wanted: &dyn Fn(&TableId) -> bool, limit: Duration) -> Result<Look, Error> {
    let Some(mut reader) = Reader::open()? else {
        return Ok(Look::default());
    };
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut previous: Option<Reading> = None;
    loop {
        let now = reader.read(wanted)?;
        if now.is_clean {
            return Ok(Look {
                ruleset: now.ruleset,
                unsettled: Vec::new(),
            });
        }
        if let Some(before) = &previous {
            let unsettled = unsettled(before, &now);
            if unsettled.is_empty() || start.elapsed() >= limit {
                let ruleset = now.ruleset;
                return Ok(Look { ruleset, unsettled });
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        previous = Some(now);
    }
}

/// The tables of which two readings in a row are not the same.
fn unsettled(before: &Reading, now: &Reading) -> Vec<TableId> {
    let (one, two) = (&before.ruleset, &now.ruleset);
    let ids: BTreeSet<&TableId> = one
        .tables
        .iter()
        .chain(&two.tables)
        .map(|table| &table.id)
        .collect();
    ids.into_iter()
        .filter(|id| {
            let whole = !before.broken.contains(id) && !now.broken.contains(id);
            let both = one.table(id).zip(two.table(id));
            !both.is_some_and(|(one, two)| whole && is_same(one, two))
        })
        .cloned()
        .collect()
}

/// Whether nobody changed the table between two readings.
fn is_same(one: &Table, two: &Table) -> bool {
    let handles = |table: &Table| -> Vec<u64> {
        let rules = table.chains.iter().flat_map(|chain| &chain.rules);
        rules.map(|rule| rule.handle).collect()
    };
    one.handle == two.handle
        && handles(one) == handles(two)
        && Pair::new(one, two, Compare::Live).equal()
}
