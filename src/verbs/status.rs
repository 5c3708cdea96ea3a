//! `safe-apply status`: what is pending, how long it has left, how to confirm.

use anyhow::Result;
use serde_json::json;

use super::{ask, conclude, of_settled};
use crate::cli::Json;
use crate::client::out;
use crate::exit::Exit;
use crate::protocol::{Reply, Request};
use crate::transaction::Store;

/// Shows what is pending.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &Json) -> Result<Exit> {
    let (status, exit) = match ask(store, &Request::Status)? {
        Ok(Reply::Status(status)) => ((!status.is_over()).then_some(status), Exit::Success),
        Ok(reply) => return Ok(conclude(Ok(reply))),
        Err(settled) => (None, of_settled(&settled, Exit::Success)),
    };
    if args.json {
        out(&json!({ "pending": status }).to_string());
        return Ok(exit);
    }
    let Some(status) = status else {
        out("No change is pending.");
        return Ok(exit);
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
