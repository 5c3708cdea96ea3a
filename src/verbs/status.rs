//! `safe-apply status`: what is pending, how long it has left, how to confirm.

use anyhow::Result;
use serde_json::json;

use super::{ask, conclude, is_root, of_settled};
use crate::cli;
use crate::client::out;
use crate::exit::Exit;
use crate::login_notice;
use crate::protocol::{Reply, Request};
use crate::transaction::Store;

/// Shows what is pending; with `notice`, only reads what a login is told.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &cli::Status) -> Result<Exit> {
    if args.notice {
        if let Some(notice) = login_notice::read(store.paths()) {
            tell(store, &notice);
        }
        return Ok(Exit::Success);
    }
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
        if let Some(notice) = login_notice::read(store.paths()).filter(|it| it.state.is_final()) {
            tell(store, &notice);
            if is_root() {
                login_notice::seen(store, &notice);
            }
        }
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

fn tell(store: &Store, notice: &login_notice::LoginNotice) {
    for line in login_notice::for_this_login(notice, store.paths()) {
        out(&line);
    }
}
