//! `safe-apply extend DURATION`: more time.

use anyhow::Result;

use super::{conclude, optional_id, settle_first};
use crate::cli::Extend;
use crate::client::request;
use crate::exit::Exit;
use crate::protocol::Request;
use crate::transaction::Store;

/// Asks the guardian to move the deadline.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &Extend) -> Result<Exit> {
    let id = optional_id(args.id.as_ref())?;
    settle_first(store)?;
    let extend = Request::Extend {
        id,
        seconds: args.duration.as_secs(),
    };
    Ok(conclude(request(store.paths(), &extend)?))
}
