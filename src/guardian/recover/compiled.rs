//! What the candidate of a transaction makes of the checkpoint.

use crate::candidate;
use crate::checkpoint::{self, Proof, Snapshot};
use crate::guardian::copies;
use crate::transaction::Transaction;
use crate::transaction::store::{Meta, Work};

/// As the transaction has it, or compiled now, where the host went down before that was done.
#[must_use]
pub fn compiled(transaction: &Transaction, meta: &Meta, checkpoint: &Snapshot) -> Option<Snapshot> {
    if let Ok(applied) = checkpoint::load(&transaction.applied()) {
        return Some(applied);
    }
    if matches!(meta.work, Work::Command) {
        return None;
    }
    let candidates = copies::read_copies(transaction, &meta.work).ok()?;
    let lock = transaction.file("xtables.lock");
    let Ok(Proof::Proven(namespace)) = checkpoint::prove(checkpoint, &lock) else {
        return None;
    };
    let how = copies::how(&meta.work);
    let compiled = namespace.enter(|| candidate::compile(&candidates, how, checkpoint, &lock));
    compiled.ok()?.ok().map(|(compiled, _)| compiled)
}
