//! Bringing tables of the namespace to a wanted state, in one transaction.

use super::batch::{Batch, Refusal};
use super::error::Error;
use super::model::{Ruleset, TableId};
use super::plan;
use super::settle::Settlement;
use super::shield::Shield;

/// How much of a table that differs stays in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All that is equal.
    Fine,
    /// The table and its chains; rules, sets, objects and flowtables are made anew.
    InPlace,
    /// Nothing: the table is deleted and created in the same transaction.
    Recreate,
}

impl Level {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Fine => Some(Self::InPlace),
            Self::InPlace => Some(Self::Recreate),
            Self::Recreate => None,
        }
    }
}

/// Brings `tables` from `live`, a fresh capture, to what `target` holds:
/// atomically, and leaving in place whatever is equal.
///
/// Packets that both the old and the new rules drop are dropped all the time.
/// Counters of what is equal stay as they are, unless they have counted less
/// than the target's: then they were reset in between, and the target's are restored.
///
/// # Errors
/// [`Error::Concurrent`] when the rules changed since `live` was captured;
/// [`Error::Refused`] when the kernel does not take it in any way. Nothing was
/// changed then. [`Error::Unfinished`] when all is in place but a last step, without which the
/// rules drop more than they should.
pub fn bring(live: &Ruleset, target: &Ruleset, tables: &[TableId]) -> Result<(), Error> {
    bring_checked(live, target, tables, Some(live.generation))
}

/// [`bring`] where others commit all the time: not refused when the rules changed since
/// `live` was captured. When somebody changed one of `tables` itself, the outcome is not what
/// `target` holds: look again.
///
/// # Errors
/// Those of [`bring`], but [`Error::Concurrent`].
pub fn bring_unchecked(live: &Ruleset, target: &Ruleset, tables: &[TableId]) -> Result<(), Error> {
    bring_checked(live, target, tables, None)
}

fn bring_checked(
    live: &Ruleset,
    target: &Ruleset,
    tables: &[TableId],
    mut generation: Option<u32>,
) -> Result<(), Error> {
    let mut levels: Vec<_> = tables.iter().map(|id| (id, Level::Fine)).collect();
    loop {
        let refusal = match attempt(live, target, &levels, &mut generation) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        if !matches!(refusal.error, Error::Refused { .. }) {
            return Err(refusal.error);
        }
        // Coarser steps where the kernel did not take the finer ones.
        let mut coarser = false;
        for (id, level) in &mut levels {
            let concerned = refusal.table.as_ref().is_none_or(|table| table == *id);
            if let Some(next) = level.next().filter(|_| concerned) {
                *level = next;
                coarser = true;
            }
        }
        if !coarser {
            return Err(refusal.error);
        }
    }
}

/// [`bring`] at one fixed level.
///
/// # Errors
/// Those of [`bring`].
pub fn bring_at(
    live: &Ruleset,
    target: &Ruleset,
    tables: &[TableId],
    level: Level,
) -> Result<(), Error> {
    let levels: Vec<_> = tables.iter().map(|id| (id, level)).collect();
    let mut generation = Some(live.generation);
    attempt(live, target, &levels, &mut generation).map_err(|refusal| refusal.error)
}

fn attempt(
    live: &Ruleset,
    target: &Ruleset,
    levels: &[(&TableId, Level)],
    generation: &mut Option<u32>,
) -> Result<(), Refusal> {
    // In the target's order, so that tables that are created come out in it.
    let mut created = Vec::new();
    let mut changed = Vec::new();
    for wanted in &target.tables {
        if let Some((id, level)) = levels.iter().find(|(id, _)| **id == wanted.id) {
            match live.table(id) {
                Some(present) => changed.push((present, wanted, *level)),
                None => created.push(wanted),
            }
        }
    }
    let unwanted: Vec<_> = levels
        .iter()
        .filter(|(id, _)| target.table(id).is_none())
        .filter_map(|(id, _)| live.table(id))
        .collect();

    let shield = Shield::raise(&changed, &created, generation)?;
    let mut later = Settlement::default();
    let mut batch = Batch::new(*generation);
    for (present, wanted, level) in changed {
        plan::change(&mut batch, present, wanted, level, &mut later);
    }
    for wanted in created {
        plan::create(&mut batch, wanted, &mut later);
    }
    let alone = batch.is_empty();
    for present in unwanted {
        // What replaces a table is in force before the table goes.
        if alone || present.chains.iter().all(|chain| !chain.is_base()) {
            plan::delete(&mut batch, &present.id);
        } else {
            later.delete(present);
        }
    }
    if batch.is_empty() {
        // No rule is switched, so nothing has to wait for one.
        later.put(&mut batch)?;
        later = Settlement::default();
    }
    if batch.is_empty() {
        shield.lower(&mut later);
        return Ok(later.finish(generation)?);
    }
    let committed = batch.commit(|echo| later.note(echo));
    if committed.is_err() {
        later = Settlement::default();
    }
    shield.lower(&mut later);
    let finished = later.finish(generation);
    committed?;
    Ok(finished?)
}
