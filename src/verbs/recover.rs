//! `safe-apply recover`: settle what a crash or a reboot left behind.

use anyhow::Result;

use super::{report, require_root};
use crate::cli::Recover;
use crate::client::{err, out};
use crate::exit::Exit;
use crate::guardian::early::restore_files;
use crate::guardian::recover::{Settled, Survey, boot_files, survey, wait_for_loaders};
use crate::login_notice;
use crate::transaction::{State, Store};

/// Settles everything that has no living guardian.
///
/// # Errors
/// When records are damaged or belong to another network namespace.
pub fn run(store: &Store, args: &Recover) -> Result<Exit> {
    require_root("recovering")?;
    if args.files {
        return files(store);
    }
    wait_for_loaders(store);
    let mut settled = match survey(store, true)? {
        Survey::Pending => {
            out(
                "A change is pending and its guardian is at work; there is nothing to recover. See 'safe-apply status'.",
            );
            return Ok(Exit::Success);
        }
        Survey::Quiet(settled) => settled,
    };
    let loaded_at_boot = boot_files(store, &settled)?;
    settled.extend(loaded_at_boot);
    login_notice::tell_again(store)?;
    if settled.is_empty() {
        out("Nothing was left behind.");
    }
    report(&settled);
    let failed = |one: &Settled| matches!(one.state, State::RestoreFailed { .. });
    Ok(if settled.iter().any(failed) {
        Exit::Incomplete
    } else {
        Exit::Success
    })
}

/// Brings back files only; the transactions stay open.
fn files(store: &Store) -> Result<Exit> {
    let mut exit = Exit::Success;
    if let Some(one) = restore_files(store)? {
        let (id, outcome) = (&one.id, &one.outcome);
        for path in &outcome.restored {
            out(&format!(
                "Transaction {id} was not confirmed: {} is as it was before.",
                path.display()
            ));
        }
        for line in &outcome.differences {
            err(&format!("Transaction {id} was not confirmed: {line}."));
            exit = Exit::Incomplete;
        }
    }
    Ok(exit)
}
