//! `safe-apply recover`: settle what a crash or a reboot left behind.

use anyhow::Result;

use super::{report, require_root};
use crate::client::out;
use crate::exit::Exit;
use crate::guardian::recover::{Settled, Survey, boot_files, survey, wait_for_loaders};
use crate::login_notice;
use crate::transaction::{State, Store};

/// Settles everything that has no living guardian.
///
/// # Errors
/// When records are damaged or belong to another network namespace.
pub fn run(store: &Store) -> Result<Exit> {
    require_root("recovering")?;
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
