//! The hidden verbs: the guardian, its successor, and what follows when its unit stops.

use std::time::Duration;

use anyhow::Result;

use crate::cli;
use crate::client::err;
use crate::exit::Exit;
use crate::guardian;
use crate::transaction::{Id, Store};

/// Pause before systemd may try again what has just failed: a damaged journal stays damaged.
const RESTART_PAUSE: Duration = Duration::from_secs(2);

/// Runs the guardian of a transaction.
///
/// Where nothing has begun, a failure is final: exit status 2, which the unit does not restart on.
///
/// # Errors
/// When it has to be started anew.
pub fn guardian(store: &Store, args: &cli::Guardian) -> Result<Exit> {
    let Ok(id) = args.id.parse::<Id>() else {
        err(&format!("'{}' is not the ID of a transaction", args.id));
        return Ok(Exit::Usage);
    };
    let Err(error) = guardian::run(store, id.clone(), args.successor) else {
        return Ok(Exit::Success);
    };
    if !store.get(id).has_begun() {
        err(&format!("safe-apply: {error:#}; nothing was touched"));
        return Ok(Exit::Usage);
    }
    if args.successor.is_none() {
        std::thread::sleep(RESTART_PAUSE);
    }
    Err(error)
}

/// Settles what a stopped unit has left.
///
/// # Errors
/// When it cannot be settled.
pub fn stopped(store: &Store, args: &cli::Stopped) -> Result<Exit> {
    let id = args.id.parse().map_err(anyhow::Error::msg)?;
    guardian::stopped::run(store, &id)?;
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
