//! The end of the guardian's unit: where systemd does not start it again, nobody else would
//! roll back.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::lock::RunLock;
use super::recover;
use crate::guardian_unit;
use crate::transaction::{Id, Store};

/// How long another process may take that settles the same transaction.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Rolls back if transaction `id` is not settled and its guardian does not come back: one that
/// was killed while it was being stopped.
///
/// # Errors
/// When the transaction cannot be settled.
pub fn run(store: &Store, id: &Id) -> Result<()> {
    let transaction = store.get(id.clone());
    let last = transaction.last();
    let settled = last.is_ok_and(|last| last.is_some_and(|record| record.detail.finished));
    if settled || !transaction.has_begun() || guardian_unit::is_restarted(id.as_str()) {
        return Ok(());
    }
    let lock = RunLock::take(store.paths(), LOCK_WAIT)?;
    ensure!(
        lock.is_some(),
        "another safe-apply is at work on the firewall"
    );
    recover::settle_all(store, false)?;
    Ok(())
}
