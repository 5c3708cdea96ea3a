//! Early at boot, before anything loads rules: an unconfirmed change must not be what is loaded.
//!
//! Only files are touched here. The transaction itself is settled by [`super::recover`], later.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::boot_files::{BootFiles, note_early};
use crate::boot_state::Outcome;
use crate::exec::Run;
use crate::managers::is_enabled;
use crate::paths::Paths;
use crate::transaction::{Id, State, Store, Transaction, clock};

/// How long systemd may take to queue a job.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What was done about one transaction.
#[derive(Debug)]
pub struct Restored {
    /// The transaction.
    pub id: Id,
    /// What came of it.
    pub outcome: Outcome,
}

/// Brings back what was loaded at boot before the change that was pending when the host went
/// down; `None` where none was, or nothing of it differs. A later change only begins once an earlier
/// one is settled: the newest is the one.
///
/// # Errors
/// When the transactions cannot be listed, or the newest cannot be read.
pub fn restore_files(store: &Store) -> Result<Option<Restored>> {
    let boot = clock::boot_id()?;
    let mut all = store.list()?.into_iter().rev();
    let Some(transaction) = all.find(Transaction::has_begun) else {
        return Ok(None);
    };
    let outcome = restore_one(&transaction, store.paths(), &boot)
        .with_context(|| format!("transaction {}", transaction.id))?;
    Ok(outcome.map(|outcome| Restored {
        id: transaction.id,
        outcome,
    }))
}

fn restore_one(transaction: &Transaction, paths: &Paths, boot: &str) -> Result<Option<Outcome>> {
    let Some(last) = transaction.last()? else {
        return Ok(None);
    };
    let pending = match last.state {
        State::Applying | State::AwaitingConfirm | State::RollingBack { .. } => true,
        State::RestoreFailed { .. } => !last.detail.finished,
        State::Prepared
        | State::Armed
        | State::Committed
        | State::RolledBack { .. }
        | State::Abandoned { .. } => false,
    };
    if !pending || last.boot_id == boot {
        return Ok(None);
    }
    let outcome = BootFiles::load(transaction)?.roll_back(transaction, &transaction.meta()?.work);
    if outcome.enablement() {
        note_early(transaction)?;
        for unit in outcome.units() {
            decide_again(paths, unit);
        }
    }
    Ok((!outcome.restored.is_empty() || !outcome.differences.is_empty()).then_some(outcome))
}

/// What systemd starts at this boot was decided before the files were brought back. A job that
/// has not run yet is replaced by this one (`--job-mode` in systemctl(1)).
fn decide_again(paths: &Paths, unit: &str) {
    if paths.root != Path::new("/") || !paths.rooted("/run/systemd/system").is_dir() {
        return;
    }
    let verb = if is_enabled(paths, unit) {
        "start"
    } else {
        "stop"
    };
    let Ok(systemctl) = Run::tool("systemctl") else {
        return;
    };
    // Where it fails, the transaction's own recovery looks at what was loaded.
    let _ = systemctl
        .args(["--no-block", verb, &format!("{unit}.service")])
        .deadline(ANSWER_MAX)
        .output();
}
