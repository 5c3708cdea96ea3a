//! `safe-apply status`: what is pending, how long it has left, how to confirm.

use anyhow::Result;
use serde_json::json;

use super::settle_first;
use crate::cli::Json;
use crate::client::{out, pending};
use crate::exit::Exit;
use crate::transaction::Store;

/// Shows what is pending.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &Json) -> Result<Exit> {
    settle_first(store)?;
    let status = pending(store.paths())?;
    if args.json {
        out(&json!({ "pending": status }).to_string());
        return Ok(Exit::Success);
    }
    let Some(status) = status else {
        out("No change is pending.");
        return Ok(Exit::Success);
    };
    out(&format!(
        "Transaction {} is pending, applied by {}.",
        status.transaction, status.started_by
    ));
    match status.remaining_seconds {
        Some(seconds) => {
            out(&format!(
                "Its rules are live but not confirmed; they are rolled back in {seconds} s unless you confirm over a NEW connection:"
            ));
            out(&format!("    {}", status.confirm));
        }
        None => out(&format!("It is in the state '{}'.", status.state)),
    }
    Ok(Exit::Success)
}
