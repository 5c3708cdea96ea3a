//! What apply and run have in common: one transaction from its directory to its outcome.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cli::{Options, RehearsalOptions};
use crate::client::command::Command;
use crate::client::{Follow, Interrupts, Style, err, follow, out, pending};
use crate::config::Config;
use crate::connection::origin;
use crate::exit::Exit;
use crate::guardian::detach::{Busy, launch};
use crate::guardian::recover::{Survey, unrestored};
use crate::netns::identity;
use crate::rehearsal::{Asked, Wishes};
use crate::transaction::store::{Meta, Persist, Work};
use crate::transaction::{Store, Transaction, clock};

/// Version of the format of `meta.json`.
const META_VERSION: u32 = 1;

/// Makes sure that this process may go on: root, nothing pending, readable settings.
///
/// # Errors
/// Without privilege, or when what is left behind cannot be settled.
pub fn clear_the_way(store: &Store, options: &Options) -> Result<Option<Exit>> {
    super::require_root("changing the firewall")?;
    let config = Config::load(&store.paths().config).context("the firewall is untouched")?;
    let until = Instant::now() + super::TAKEOVER_MAX;
    // A guardian whose transaction has just ended takes a moment to go.
    while let Survey::Pending = super::settle_first(store)? {
        if pending(store.paths())?.is_some() || Instant::now() >= until {
            return Ok(Some(refuse_pending(store, options.json)?));
        }
        std::thread::sleep(super::LOOK_AGAIN);
    }
    store.prune(config.history)?;
    let unrestored = if options.force {
        None
    } else {
        unrestored(store)?
    };
    Ok(unrestored.map(|id| {
        let message = format!(
            "The rollback of transaction {id} is incomplete, so the rules that are live now are neither old nor confirmed. Nothing was changed now. Try 'safe-apply recover'; with --force the live rules are taken as they are."
        );
        refuse(options.json, Exit::Refused, &message)
    }))
}

/// Says whose change is pending, and how long it has left.
fn refuse_pending(store: &Store, json: bool) -> Result<Exit> {
    let message = match pending(store.paths())? {
        Some(status) => {
            let left = status.remaining_seconds.map_or_else(
                || format!("it is in the state '{}'", status.state),
                |seconds| format!("{seconds} s are left to confirm it"),
            );
            format!(
                "Another change is pending: transaction {}, applied by {}; {left}. Nothing was changed now. See 'safe-apply status'.",
                status.transaction, status.started_by
            )
        }
        None => "Another safe-apply is at work on the firewall. Nothing was changed now; try again in a moment.".to_owned(),
    };
    Ok(refuse(json, Exit::Pending, &message))
}

/// What is to be rehearsed, from the command line and the settings.
///
/// # Errors
/// When the settings cannot be read.
pub fn wishes(store: &Store, options: &RehearsalOptions) -> Result<Wishes> {
    let mut required = Config::load(&store.paths().config)?.require;
    required.extend(options.require.iter().cloned());
    Ok(Wishes {
        asked: Asked {
            from: options.caller.map(|caller| (caller.ip, caller.port)),
            port: options.port,
        },
        required,
    })
}

/// Says why nothing was begun, on standard error and, where asked for, as an event.
#[must_use]
pub fn refuse(json: bool, exit: Exit, message: &str) -> Exit {
    if json {
        let line = serde_json::json!({
            "event": "failed", "transaction": null, "time": clock::timestamp(), "error": message,
        });
        out(&line.to_string());
    }
    err(message);
    exit
}

/// Writes down what is known, starts the guardian, follows to the end.
///
/// # Errors
/// When the guardian cannot be started: nothing was changed.
pub fn start(
    store: &Store,
    transaction: &Transaction,
    options: &Options,
    work: Work,
    rehearsal: Option<Wishes>,
    command: Option<Command>,
) -> Result<Exit> {
    let me = rustix::process::getpid().as_raw_pid();
    let netns = identity("self").context("the network namespace cannot be told")?;
    let persist = match &options.persist {
        None => None,
        Some(None) => Some(Persist::BootFiles),
        Some(Some(file)) => Some(Persist::File(std::path::absolute(file)?)),
    };
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let meta = Meta {
        version: META_VERSION,
        id: transaction.id.clone(),
        created: clock::timestamp(),
        origin: origin(Path::new("/proc"), me),
        client_pid: me,
        command_line: words.join(" "),
        netns,
        netns_is_init: identity("1").ok().map(|init| init == netns),
        work,
        timeout_seconds: options.timeout.as_secs(),
        persist,
        rehearsal,
        force: options.force,
        on_commit: options.on_commit.clone(),
        on_rollback: options.on_rollback.clone(),
    };
    // From here on Ctrl-C is a request to the guardian, also to one that is being started.
    let interrupts = Interrupts::catch()?;
    let launched = transaction
        .write_meta(&meta)
        .and_then(|()| launch(transaction));
    if let Err(error) = launched
        && !transaction.has_begun()
    {
        transaction.discard();
        // Another one was faster.
        if error.is::<Busy>() || pending(store.paths()).is_ok_and(|status| status.is_some()) {
            return refuse_pending(store, options.json);
        }
        return Err(error.context("the firewall is untouched"));
    }
    let style = if options.json {
        Style::Json
    } else {
        Style::Text
    };
    follow(
        store,
        Follow {
            id: transaction.id.clone(),
            style,
            detach: options.detach,
            command,
            interrupts,
        },
    )
}
