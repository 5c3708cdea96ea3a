//! `safe-apply confirm`: keep the new rules.

use anyhow::Result;

use super::{ask, conclude, optional_id};
use crate::cli::Confirm;
use crate::exit::Exit;
use crate::protocol::Request;
use crate::transaction::Store;

/// Asks the guardian to commit.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &Confirm) -> Result<Exit> {
    let id = optional_id(args.id.as_ref())?;
    let confirm = Request::Confirm {
        id,
        force: args.force,
    };
    Ok(conclude(ask(store, &confirm)?))
}
