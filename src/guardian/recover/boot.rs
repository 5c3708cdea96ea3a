//! Unconfirmed rules that the boot itself has loaded, early or late.

use std::path::PathBuf;

use anyhow::Result;

use super::Settled;
use super::compiled::compiled;
use crate::checkpoint;
use crate::guardian::restore;
use crate::paths::Paths;
use crate::protocol::Notice;
use crate::system_log::SystemLog;
use crate::transaction::store::{Meta, Work};
use crate::transaction::{Reason, State, Store, Transaction, clock};

/// Stands in the runtime directory while a second look is wanted in this boot;
/// safe-apply-recheck.service starts only where it does.
const LOOK_AGAIN: &str = "look-again";

/// At boot: a change that was rolled back must not be live because its rule file is still what
/// this system loads at boot, or because its rules were loaded only after `recover`
/// had `settled` it. The next call, in this boot, looks for the latter.
///
/// # Errors
/// When the transactions cannot be listed.
pub fn boot_files(store: &Store, settled: &[Settled]) -> Result<Vec<Settled>> {
    let again = std::fs::remove_file(mark(store.paths())).is_ok();
    let boot = clock::boot_id()?;
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
        let boot_file = match last.state {
            State::Committed => break,
            State::RolledBack { .. } if last.boot_id != boot && unchanged_boot_file(&meta) => true,
            State::RolledBack {
                reason: Reason::Rebooted,
            } if again && last.boot_id == boot => unchanged_boot_file(&meta),
            // The host went down while the way back was being prepared: nothing had been touched,
            // but the file was there already.
            State::Abandoned {
                reason: Reason::Rebooted | Reason::Terminated | Reason::GuardianLost,
            } if (last.boot_id != boot || again || just_settled(&transaction))
                && unchanged_boot_file(&meta) =>
            {
                true
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
        if let Some(one) = take_back(transaction, &meta, boot_file) {
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

/// Restores the checkpoint where the rules of `transaction` are live; what came of it.
fn take_back(transaction: Transaction, meta: &Meta, boot_file: bool) -> Option<Settled> {
    // What was never known in full cannot be told from what is live.
    let before = checkpoint::load(&transaction.checkpoint()).ok()?;
    let applied = compiled(&transaction, meta, &before)?;
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
    } else if restored.acted && boot_file {
        (
            State::RolledBack { reason },
            "its unconfirmed rules were loaded at boot, for the file still holds them; the rules from before it are live again. Put the file right".to_owned(),
        )
    } else if restored.acted {
        (
            State::RolledBack { reason },
            "its unconfirmed rules were loaded at boot, by something that starts late; the rules from before it are live again".to_owned(),
        )
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
    use sha2::{Digest, Sha256};
    let Work::Rules { files, .. } = &meta.work else {
        return false;
    };
    files.iter().filter(|file| file.boot_file).any(|file| {
        let bytes = file.path.as_ref().and_then(|path| std::fs::read(path).ok());
        bytes.is_some_and(|bytes| <[u8; 32]>::from(Sha256::digest(&bytes)) == file.sha256)
    })
}
