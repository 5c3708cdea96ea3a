//! `safe-apply extend DURATION`: more time.

use anyhow::Result;

use super::{ask, conclude, optional_id};
use crate::cli::Extend;
use crate::exit::Exit;
use crate::protocol::Request;
use crate::transaction::Store;

/// Asks the guardian to move the deadline.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &Extend) -> Result<Exit> {
    let id = optional_id(args.id.as_ref())?;
    let extend = Request::Extend {
        id,
        seconds: args.duration.as_secs(),
    };
    Ok(conclude(ask(store, &extend)?))
}
