//! The hidden verbs: the guardian and its successor.

use anyhow::Result;

use crate::cli;
use crate::exit::Exit;
use crate::guardian;
use crate::transaction::Store;

/// Runs the guardian of a transaction.
///
/// # Errors
/// When it has to be started anew.
pub fn guardian(store: &Store, args: &cli::Guardian) -> Result<Exit> {
    let id = args.id.parse().map_err(anyhow::Error::msg)?;
    guardian::run(store, id, args.successor)?;
    Ok(Exit::Success)
}

/// Runs the successor of a guardian.
///
/// # Errors
/// When no guardian can be started.
pub fn successor(store: &Store, args: &cli::Successor) -> Result<Exit> {
    let id = args.id.parse().map_err(anyhow::Error::msg)?;
    guardian::successor::run(&store.get(id), args.watch)?;
    Ok(Exit::Success)
}
