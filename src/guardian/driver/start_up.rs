//! Start-up of a guardian: it takes the lock, opens the journal, binds the socket, and
//! begins the work of a new transaction or takes up that of a dead guardian.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use rustix::process::getpid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Driver, Heard};
use crate::guardian::control::Control;
use crate::guardian::core::Core;
use crate::guardian::lock::{self, Pids, RunLock};
use crate::guardian::timer::Timer;
use crate::guardian::vitals::Vitals;
use crate::guardian::{detach, prepare_self};
use crate::transaction::{Event, Id, State, Store, Transaction};

/// How long a guardian waits for the lock of one that has just died.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long a new transaction waits for a verb that only looks around.
const LOCK_WAIT_NEW: Duration = Duration::from_secs(1);

/// Runs the guardian of transaction `id` to its end.
///
/// # Errors
/// When it cannot take the transaction over, or has to be started anew.
pub fn run(store: &Store, id: Id, successor: Option<i32>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(guard(store, id, successor));
    // A tool that still runs in a scratch namespace is not waited for.
    runtime.shutdown_background();
    result
}

async fn guard(store: &Store, id: Id, successor: Option<i32>) -> Result<()> {
    let transaction = store.get(id.clone());
    let is_new = !transaction.has_begun();
    if let Err(error) = store.prepare()
        && is_new
    {
        say(&format!("{error:#}"));
        return Err(error);
    }
    let wait = if is_new { LOCK_WAIT_NEW } else { LOCK_WAIT };
    let lock = RunLock::take(store.paths(), wait)?;
    let vitals = Vitals::new();
    if finished(&transaction) {
        // Under systemd: restarted after it had come to an end, which is no failure.
        vitals.ready();
        return Ok(());
    }
    let Some(_lock) = lock else {
        say(&detach::Busy.to_string());
        // One that has begun must come to an end: the successor tries again.
        anyhow::ensure!(is_new, "transaction {id} is locked by another process");
        return Ok(());
    };
    if is_new && let Some(other) = unsettled(store, &transaction) {
        say(&format!(
            "transaction {other} has just been left behind and is not settled: run 'safe-apply recover', then this again"
        ));
        anyhow::bail!("transaction {other} is not settled");
    }
    prepare_self::harden();
    let core = Core::open(store, transaction).inspect_err(|error| say(&format!("{error:#}")))?;
    let (mut control, mut inputs) = Control::new();
    let bound = control.bind(store.paths(), &core.config);
    let (heard, mut hears) = unbounded_channel();
    listen_for_signals(heard.clone())?;
    let mut driver = Driver {
        core,
        store: store.clone(),
        known: None,
        events: VecDeque::new(),
        pids: Pids {
            transaction: id,
            guardian: getpid().as_raw_pid(),
            successor,
        },
        seen: BTreeSet::new(),
        ready: None,
        applying: false,
        deferred: None,
        retries: 0,
        timer: ring(heard.clone())?,
        vitals,
        heard,
        closed: false,
    };
    let reachable = bound.and_then(|()| lock::record(store.paths(), &driver.pids));
    match reachable {
        Ok(()) => {}
        // Nothing has begun: better not to begin.
        Err(error) if matches!(driver.core.state, State::Prepared | State::Armed) => {
            driver.fail(Event::PrepareFailed, &error);
        }
        Err(error) => driver.core.warn(format!("{error:#}; going on without")),
    }
    driver.watch_successor();
    driver.begin();
    say(detach::READY);
    detach::silence();
    driver.vitals.ready();
    driver.turn(&mut control, &mut inputs, &mut hears).await;
    let Driver { core, heard, .. } = driver;
    drop((core, heard, inputs));
    lock::forget(store.paths());
    control.flush().await;
    Ok(())
}

/// The one that began last before `new`, if nobody has settled it: what is live may be its rules.
fn unsettled(store: &Store, new: &Transaction) -> Option<Id> {
    let mut all = store.list().unwrap_or_default().into_iter().rev();
    let before = all.find(|one| one.id != new.id && one.has_begun())?;
    let settled = match before.last() {
        Ok(Some(last)) => last.detail.finished,
        // It was not even prepared.
        Ok(None) => true,
        Err(_) => false,
    };
    (!settled).then_some(before.id)
}

fn finished(transaction: &Transaction) -> bool {
    transaction
        .last()
        .is_ok_and(|last| last.is_some_and(|record| record.detail.finished))
}

/// Says one line to the process that waits for this one to be ready, if any.
fn say(line: &str) {
    // Nobody there to hear it is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn listen_for_signals(heard: UnboundedSender<Heard>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGPIPE])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // A vanished terminal is no reason to stop waiting.
            if (signal == SIGTERM || signal == SIGINT) && heard.send(Heard::Stop).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn ring(heard: UnboundedSender<Heard>) -> std::io::Result<Timer> {
    Timer::new(move || heard.send(Heard::TimeIsUp).is_ok())
}

impl Driver {
    /// Starts the work of a new transaction, or takes up that of a dead guardian.
    fn begin(&mut self) {
        if self.core.state == State::Prepared && !self.core.transaction.checkpoint().exists() {
            self.prepare();
            return;
        }
        if let Err(error) = self.core.load_snapshots() {
            self.core.warn(format!("{error:#}"));
        }
        self.known = std::fs::read(self.core.transaction.known())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        self.events.push_back((Event::Resume, self.core.detail()));
    }
}
