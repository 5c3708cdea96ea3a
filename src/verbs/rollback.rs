//! `safe-apply rollback`: restore now.

use anyhow::Result;

use super::{conclude, of_settled, optional_id, settle_first};
use crate::cli;
use crate::client::{Connection, err, lines, out};
use crate::exit::Exit;
use crate::guardian::recover::Survey;
use crate::protocol::{Announcement, Notice, Reply, Request};
use crate::transaction::Store;

/// Asks the guardian to restore the checkpoint, and waits until it has.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &cli::Transaction) -> Result<Exit> {
    let id = optional_id(args.id.as_ref())?;
    if let Survey::Quiet(settled) = settle_first(store)?
        && !settled.is_empty()
    {
        return Ok(of_settled(&settled, Exit::Success));
    }
    let Some(mut connection) = Connection::open(store.paths())? else {
        return Ok(conclude(Err(Vec::new())));
    };
    connection.send(&Request::Rollback { id })?;
    while let Some(line) = connection.line()? {
        if let Ok(reply) = serde_json::from_str::<Reply>(&line) {
            return Ok(conclude(Ok(reply)));
        }
        let Ok(Announcement {
            transaction,
            notice,
            ..
        }) = serde_json::from_str(&line)
        else {
            continue;
        };
        if !notice.is_outcome() {
            continue;
        }
        let text = lines(&transaction, &notice).join("\n");
        return Ok(match notice {
            Notice::RolledBack { .. } | Notice::Failed { .. } => {
                out(&text);
                Exit::Success
            }
            Notice::RestoreFailed { .. } => {
                err(&text);
                Exit::Incomplete
            }
            _ => {
                err("It was committed before the rollback was asked for; the new rules stay.");
                Exit::Failed
            }
        });
    }
    err("The guardian ended without an answer; see 'safe-apply status'.");
    Ok(Exit::Failed)
}
