//! One verb, one file.

pub mod apply;
pub mod check;
pub mod confirm;
pub mod demo;
pub mod extend;
pub mod guard;
pub mod history;
pub mod recover;
pub mod rollback;
pub mod run;
pub mod show;
mod start;
pub mod status;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::{Cli, Verb};
use crate::client::err;
use crate::exit::Exit;
use crate::guardian::pids;
use crate::guardian::recover::{Settled, Survey, survey};
use crate::paths::Paths;
use crate::protocol::{Reply, Request};
use crate::transaction::{Id, State, Store};

/// How long a successor gets before the user is told that nobody answers.
const TAKEOVER_MAX: Duration = Duration::from_secs(10);
/// Pause between two attempts to reach it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What is said after that.
const SILENT: &str = "a safe-apply is at work on the firewall, but does not answer; what is live may be unconfirmed. Try again in a moment";

/// Does what the command line says.
///
/// # Errors
/// What the user has to be told; the exit status for it is 1.
pub fn dispatch(cli: Cli) -> Result<Exit> {
    let store = Store::new(Paths::from_env());
    match cli.verb {
        None => {
            let json = cli.apply.options.json;
            Ok(or_refuse(json, apply::run(&store, cli.apply)))
        }
        Some(Verb::Check(args)) => Ok(or_refuse(args.json, check::run(&store, &args))),
        Some(Verb::Run(args)) => {
            let json = args.options.json;
            Ok(or_refuse(json, run::run(&store, args)))
        }
        Some(Verb::Confirm(args)) => confirm::run(&store, &args),
        Some(Verb::Rollback(args)) => rollback::run(&store, &args),
        Some(Verb::Extend(args)) => extend::run(&store, &args),
        Some(Verb::Status(args)) => status::run(&store, &args),
        Some(Verb::History(args)) => history::run(&store, &args),
        Some(Verb::Show(args)) => show::run(&store, &args),
        Some(Verb::Recover(args)) => recover::run(&store, &args),
        Some(Verb::Demo(args)) => demo::run(&args),
        Some(Verb::Guardian(args)) => guard::guardian(&store, &args),
        Some(Verb::Successor(args)) => guard::successor(&store, &args),
        Some(Verb::Stopped(args)) => guard::stopped(&store, &args),
    }
}

/// What went wrong before there was a transaction is told scripts too.
fn or_refuse(json: bool, result: Result<Exit>) -> Exit {
    result.unwrap_or_else(|error| {
        start::refuse(json, Exit::Failed, &format!("safe-apply: {error:#}"))
    })
}

/// Whether this process may change the firewall and read the state directory.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Insists on root.
fn require_root(what: &str) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    anyhow::bail!("{what} needs root; the firewall is untouched. Try: sudo safe-apply …")
}

/// Settles what dead guardians left before anything else is done. Members of the
/// confirming group cannot, and need not: they talk to a guardian that lives.
fn settle_first(store: &Store) -> Result<Survey> {
    if !is_root() {
        return Ok(Survey::Pending);
    }
    let survey = survey(store, false)?;
    if let Survey::Quiet(settled) = &survey {
        report(settled);
    }
    Ok(survey)
}

/// Asks the guardian; `Err` carries what was settled when there is none. Between a
/// guardian's death and its successor's start, waits: that is no time for saying
/// that nothing is pending.
fn ask(store: &Store, request: &Request) -> Result<Result<Reply, Vec<Settled>>> {
    let until = Instant::now() + TAKEOVER_MAX;
    loop {
        let survey = settle_first(store)?;
        if let Some(reply) = crate::client::request(store.paths(), request)? {
            return Ok(Ok(reply));
        }
        if let Some(settled) = quiet(store, survey) {
            return Ok(Err(settled));
        }
        anyhow::ensure!(Instant::now() < until, SILENT);
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// What was settled, if that leaves nobody at work.
fn quiet(store: &Store, survey: Survey) -> Option<Vec<Settled>> {
    match survey {
        Survey::Quiet(settled) => Some(settled),
        Survey::Pending if !is_root() && pids(store.paths()).is_none() => Some(Vec::new()),
        Survey::Pending => None,
    }
}

/// The exit status after `settled` was settled: an incomplete restore is never success.
fn of_settled(settled: &[Settled], otherwise: Exit) -> Exit {
    let failed = |one: &Settled| matches!(one.state, State::RestoreFailed { .. });
    if settled.iter().any(failed) {
        Exit::Incomplete
    } else {
        otherwise
    }
}

/// Tells of what was settled.
fn report(settled: &[Settled]) {
    for one in settled {
        err(&format!(
            "Transaction {} was left behind: {}.",
            one.id, one.message
        ));
    }
}

/// Parses an ID that may have been left out.
fn optional_id(id: Option<&String>) -> Result<Option<Id>, anyhow::Error> {
    id.map(|id| id.parse().map_err(anyhow::Error::msg))
        .transpose()
}

/// Prints a reply, or that nothing is pending.
fn conclude(reply: Result<Reply, Vec<Settled>>) -> Exit {
    match reply {
        Ok(Reply::Done { message }) => {
            crate::client::out(&message);
            Exit::Success
        }
        Ok(Reply::Refused { exit, message }) => {
            err(&message);
            Exit::from_number(exit)
        }
        Ok(Reply::Status(_)) => Exit::Failed,
        Err(settled) => {
            err("No change is pending; the live rules stay as they are. See 'safe-apply history'.");
            of_settled(&settled, Exit::Failed)
        }
    }
}
