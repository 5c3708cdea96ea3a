//! Unconfirmed rules that the boot itself has loaded, early or late.

use std::path::PathBuf;

use anyhow::Result;

use super::Settled;
use super::compiled::compiled;
use crate::checkpoint;
use crate::guardian::boot_files::BootFiles;
use crate::guardian::copies::unchanged_boot_files;
use crate::guardian::restore;
use crate::paths::Paths;
use crate::protocol::Notice;
use crate::system_log::SystemLog;
use crate::transaction::store::Meta;
use crate::transaction::{Reason, State, Store, Transaction, clock};

/// Stands in the runtime directory while a second look is wanted in this boot;
/// safe-apply-recheck.service starts only where it does.
const LOOK_AGAIN: &str = "look-again";
/// Holds the ID of the boot in which was looked last.
const LOOKED: &str = "looked";

/// At boot: a change that was rolled back must not be live because its rule file is still what
/// this system loads at boot, or because its rules were loaded only after `recover`
/// had `settled` it. The next call, in this boot, looks for the latter.
///
/// # Errors
/// When the transactions cannot be listed.
pub fn boot_files(store: &Store, settled: &[Settled]) -> Result<Vec<Settled>> {
    let again = std::fs::remove_file(mark(store.paths())).is_ok();
    let boot = clock::boot_id()?;
    let looked = store.paths().run.join(LOOKED);
    if !again && std::fs::read_to_string(&looked).is_ok_and(|at| at == boot) {
        // Whoever has loaded such rules since has meant it.
        return Ok(Vec::new());
    }
    // Without it, there may be one look more.
    let _ = std::fs::write(looked, &boot);
    let mut wanted = settled
        .iter()
        .any(|one| one.state.reason() == Some(Reason::Rebooted));
    // Not at a later call in the same boot: somebody may have loaded the file since, and meant it.
    let just_settled = |this: &Transaction| settled.iter().any(|one| one.id == this.id);
    let mut found = Vec::new();
    for transaction in store.list()?.into_iter().rev() {
        let (Ok(meta), Ok(Some(last))) = (transaction.meta(), transaction.last()) else {
            continue;
        };
        let cause = match last.state {
            State::Committed => break,
            State::RolledBack { .. } if last.boot_id != boot && unchanged_boot_file(&meta) => {
                Cause::BootFile
            }
            State::RolledBack { .. }
                if last.boot_id != boot && BootFiles::may_hold(&transaction, &meta.work) =>
            {
                Cause::SameState
            }
            State::RolledBack {
                reason: Reason::Rebooted,
            } if again && last.boot_id == boot => {
                if unchanged_boot_file(&meta) {
                    Cause::BootFile
                } else {
                    Cause::Late
                }
            }
            // The host went down while the way back was being prepared: nothing had been touched,
            // but the file was there already.
            State::Abandoned {
                reason: Reason::Rebooted | Reason::Terminated | Reason::GuardianLost,
            } if (last.boot_id != boot || again || just_settled(&transaction))
                && unchanged_boot_file(&meta) =>
            {
                Cause::BootFile
            }
            State::Prepared
            | State::Armed
            | State::Applying
            | State::AwaitingConfirm
            | State::RollingBack { .. }
            | State::RolledBack { .. }
            | State::RestoreFailed { .. }
            | State::Abandoned { .. } => continue,
        };
        if let Some(one) = take_back(transaction, &meta, cause) {
            found.push(one);
            break;
        }
        // Not live yet, but something may still load it.
        wanted = true;
    }
    if wanted && !again {
        // Without the mark there is one look less.
        let _ = std::fs::write(mark(store.paths()), "");
    }
    Ok(found)
}

fn mark(paths: &Paths) -> PathBuf {
    paths.run.join(LOOK_AGAIN)
}

/// Why unconfirmed rules may be live after a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The rule file is what is loaded at boot.
    BootFile,
    /// The command has loaded what the boot loads, or others have saved the rules.
    SameState,
    /// Something loads them late.
    Late,
}

/// Restores the checkpoint where the rules of `transaction` are live; what came of it.
fn take_back(transaction: Transaction, meta: &Meta, cause: Cause) -> Option<Settled> {
    // What was never known in full cannot be told from what is live.
    let before = checkpoint::load(&transaction.checkpoint()).ok()?;
    let applied = compiled(&transaction, meta, &before)?;
    let boot_file = cause == Cause::BootFile;
    let restored = restore::roll_back_if_live(&transaction, &before, &applied, boot_file);
    let reason = Reason::Rebooted;
    let (state, message) = if !restored.differences.is_empty() {
        (
            State::RestoreFailed { reason },
            format!(
                "its unconfirmed rules were loaded at boot and could NOT be replaced in full: {}",
                restored.differences.join("; ")
            ),
        )
    } else if restored.acted {
        let why = match cause {
            Cause::BootFile => {
                ", for the file still holds them; the rules from before it are live again. Put the file right"
            }
            Cause::SameState => {
                ", for some file that is loaded at boot holds them; the rules from before it are live again. Put the file right"
            }
            Cause::Late => {
                ", by something that starts late; the rules from before it are live again"
            }
        };
        let message = format!("its unconfirmed rules were loaded at boot{why}");
        (State::RolledBack { reason }, message)
    } else {
        return None;
    };
    SystemLog::new(&transaction.id).write(
        state.name(),
        &Notice::Warning {
            message: message.clone(),
        },
    );
    Some(Settled {
        id: transaction.id,
        state,
        message,
    })
}

/// Whether a rule file of the candidate is still what is loaded at boot.
pub(super) fn unchanged_boot_file(meta: &Meta) -> bool {
    !unchanged_boot_files(&meta.work).is_empty()
}
