//! `safe-apply run -- COMMAND...`: the same net around any command.

use anyhow::Result;

use super::start;
use crate::cli::Run;
use crate::client::command::Command;
use crate::exit::Exit;
use crate::transaction::Store;
use crate::transaction::store::Work;

/// Runs a command under the net.
///
/// # Errors
/// What stopped it before the guardian took over; the firewall is untouched.
pub fn run(store: &Store, args: Run) -> Result<Exit> {
    if let Some(exit) = start::clear_the_way(store, &args.options)? {
        return Ok(exit);
    }
    let transaction = store.create()?;
    let command = Command {
        words: args.command,
        id: transaction.id.clone(),
    };
    start::start(
        store,
        &transaction,
        &args.options,
        Work::Command,
        None,
        Some(command),
    )
}
