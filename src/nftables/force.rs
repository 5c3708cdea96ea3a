//! The last resort: tables of the namespace made what they should be, whatever they are.

use super::batch::Batch;
use super::error::Error;
use super::model::{Ruleset, Table, TableId};
use super::plan;
use super::settle::Settlement;
use super::shield::Shield;

/// Makes `tables` what `target` holds without a look at what is live: each is deleted and
/// created in one transaction, which no commit of others can make fail.
///
/// Packets that both the old and the new rules drop are dropped all the time; counters
/// and what packets put into sets are those of the target.
///
/// # Errors
/// [`Error::Refused`] when the kernel does not take it, as for a table that a process owns;
/// nothing was changed then. [`Error::Unfinished`] when all is in place but a last step, without
/// which the rules drop more than they should.
pub fn force(target: &Ruleset, tables: &[TableId]) -> Result<(), Error> {
    // In the target's order, so that the tables come out in it.
    let created: Vec<&Table> = target
        .tables
        .iter()
        .filter(|one| tables.contains(&one.id))
        .collect();
    let shield = Shield::raise_ahead(&created)?;
    let mut later = Settlement::default();
    let mut batch = Batch::new(None);
    // A copy that somebody left goes with the one that took its place.
    for id in tables.iter().filter(|id| !shield.holds(id)) {
        plan::clear(&mut batch, id);
    }
    for one in created {
        plan::create(&mut batch, one, &mut later);
    }
    let committed = batch.commit(|echo| later.note(echo));
    if committed.is_err() {
        later = Settlement::default();
    }
    shield.lower(&mut later);
    let finished = later.finish(&mut None);
    committed.map_err(|refusal| refusal.error)?;
    finished
}
