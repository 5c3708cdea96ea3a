//! `safe-apply rollback`: restore now.

use std::time::Instant;

use anyhow::Result;

use super::{
    LOOK_AGAIN, SILENT, TAKEOVER_MAX, conclude, of_settled, optional_id, quiet, settle_first,
};
use crate::cli;
use crate::client::{Connection, err, lines, out};
use crate::exit::Exit;
use crate::guardian::recover::Survey;
use crate::protocol::{Announcement, Notice, Reply, Request};
use crate::transaction::{Id, Store};

/// Asks the guardian to restore the checkpoint, and waits until it has.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn run(store: &Store, args: &cli::Transaction) -> Result<Exit> {
    let id = optional_id(args.id.as_ref())?;
    let until = Instant::now() + TAKEOVER_MAX;
    loop {
        let survey = settle_first(store)?;
        if let Survey::Quiet(settled) = &survey
            && !settled.is_empty()
        {
            return Ok(of_settled(settled, Exit::Success));
        }
        if let Some(exit) = restore(store, id.clone())? {
            return Ok(exit);
        }
        if let Some(settled) = quiet(store, survey) {
            return Ok(conclude(Err(settled)));
        }
        anyhow::ensure!(Instant::now() < until, SILENT);
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Has the living guardian restore it; `None` when there is none, or it died over it.
fn restore(store: &Store, id: Option<Id>) -> Result<Option<Exit>> {
    let Some(mut connection) = Connection::open(store.paths())? else {
        return Ok(None);
    };
    if connection.send(&Request::Rollback { id }).is_err() {
        return Ok(None);
    }
    while let Some(line) = connection.line()? {
        if let Ok(reply) = serde_json::from_str::<Reply>(&line) {
            return Ok(Some(conclude(Ok(reply))));
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
        return Ok(Some(match notice {
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
        }));
    }
    Ok(None)
}
