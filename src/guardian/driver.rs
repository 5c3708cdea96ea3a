//! The event loop: signals, the control socket, the timer and finished work feed the
//! state machine; its effects are carried out here.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, getpid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::control::{Control, Input};
use super::core::Core;
use super::lock::{self, Pids, RunLock};
use super::successor::wait_for_end;
use super::timer::Timer;
use super::work::{self, Applied, RETRY_PAUSES, Ready};
use super::{detach, finish, prepare_self};
use crate::connection::{Known, arrivals};
use crate::protocol::Notice;
use crate::transaction::journal::Detail;
use crate::transaction::store::Work;
use crate::transaction::{Effect, Event, Id, State, Store, clock};

/// How often the host is asked for connections that are new.
const ARRIVALS_EVERY: Duration = Duration::from_millis(500);
/// How long a guardian waits for the lock of one that has just died.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long a new transaction waits for a verb that only looks around.
const LOCK_WAIT_NEW: Duration = Duration::from_secs(1);

/// What the loop hears of.
enum Heard {
    Socket(Input),
    Stop,
    Prepared(Result<Ready>),
    Applied(Result<Applied>),
    TimeIsUp,
    SuccessorDied,
    Look,
}

/// The guardian of one transaction.
pub(super) struct Driver {
    pub(super) core: Core,
    pub(super) store: Store,
    /// The connections that prove nothing; without them nothing is confirmed.
    pub(super) known: Option<Known>,
    pub(super) events: VecDeque<(Event, Detail)>,
    pub(super) pids: Pids,
    seen: BTreeSet<u64>,
    ready: Option<Arc<Ready>>,
    /// A thread is changing the kernel; what would interfere waits here.
    applying: bool,
    deferred: Option<Event>,
    retries: usize,
    timer: Timer,
    heard: UnboundedSender<Heard>,
    closed: bool,
}

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
    if finished(&transaction) {
        return Ok(());
    }
    let Some(_lock) = lock else {
        say(&detach::Busy.to_string());
        // One that has begun must come to an end: the successor tries again.
        anyhow::ensure!(is_new, "transaction {id} is locked by another process");
        return Ok(());
    };
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
    // Only under systemd is there anybody to notify.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    driver.turn(&mut control, &mut inputs, &mut hears).await;
    let Driver { core, heard, .. } = driver;
    drop((core, heard, inputs));
    lock::forget(store.paths());
    control.flush().await;
    Ok(())
}

fn finished(transaction: &crate::transaction::Transaction) -> bool {
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

    async fn turn(
        &mut self,
        control: &mut Control,
        inputs: &mut UnboundedReceiver<Input>,
        hears: &mut UnboundedReceiver<Heard>,
    ) {
        let mut look = tokio::time::interval(ARRIVALS_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            while let Some((event, detail)) = self.events.pop_front() {
                self.feed(event, detail);
            }
            if self.closed {
                return;
            }
            let awaiting = self.core.state == State::AwaitingConfirm;
            let heard = tokio::select! {
                () = control.serve() => continue,
                Some(input) = inputs.recv() => Heard::Socket(input),
                Some(heard) = hears.recv() => heard,
                _ = look.tick(), if awaiting => Heard::Look,
            };
            if matches!(heard, Heard::Look) {
                self.stay_reachable(control);
            }
            self.hear(heard);
        }
    }

    /// Makes the control socket anew where somebody has cleaned up the runtime directory.
    fn stay_reachable(&mut self, control: &mut Control) {
        let paths = self.store.paths();
        if control.is_reachable(paths) || self.store.prepare().is_err() {
            return;
        }
        // Tried again at the next look.
        let bound = control.bind(paths, &self.core.config);
        if bound.and_then(|()| lock::record(paths, &self.pids)).is_ok() {
            self.core
                .warn("the control socket was gone and has been made anew");
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Socket(input) => self.attend(input),
            Heard::Stop => self.interfere(Event::Terminate),
            Heard::TimeIsUp if !self.timer.is_due() => {}
            Heard::TimeIsUp if matches!(self.core.state, State::RestoreFailed { .. }) => {
                self.push(Event::Retry);
            }
            Heard::TimeIsUp => self.interfere(Event::Deadline),
            Heard::SuccessorDied => self.replace_successor(),
            Heard::Look => {
                let Some(known) = &self.known else { return };
                for tuple in arrivals(known, &mut self.seen, None) {
                    self.core.announcer.say(Notice::Connection {
                        peer: tuple.peer.to_string(),
                    });
                }
            }
            Heard::Prepared(Ok(ready)) => {
                for warning in &ready.warnings {
                    self.core.warn(warning.clone());
                }
                self.core.checkpoint = Some(ready.checkpoint.clone());
                self.core.applied.clone_from(&ready.compiled);
                self.ready = Some(Arc::new(ready));
                self.push(Event::Ready);
            }
            Heard::Prepared(Err(error)) => self.fail(Event::PrepareFailed, &error),
            Heard::Applied(result) => {
                self.applying = false;
                match result {
                    Ok(applied) => self.is_live(applied),
                    Err(error) => self.fail(Event::ApplyFailed, &error),
                }
                if let Some(event) = self.deferred.take() {
                    self.push(event);
                }
            }
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push_back((event, Detail::default()));
    }

    fn fail(&mut self, event: Event, error: &anyhow::Error) {
        let detail = Detail {
            error: Some(format!("{error:#}")),
            ..Detail::default()
        };
        self.events.push_back((event, detail));
    }

    /// An event that must not come between a thread and the kernel.
    pub(super) fn interfere(&mut self, event: Event) {
        if self.applying {
            self.deferred.get_or_insert(event);
        } else {
            self.push(event);
        }
    }

    fn is_live(&mut self, applied: Applied) {
        let changed = !applied.touched.is_empty() || self.core.meta.persist.is_some();
        for warning in applied.warnings {
            self.core.warn(warning);
        }
        self.known = Some(applied.known);
        self.core.touched = applied.touched;
        self.core.applied = Some(applied.live);
        let detail = Detail {
            lines: finish::bounded(applied.changes),
            ..Detail::default()
        };
        self.core.deadline_ms = Some(clock::boottime_ms() + self.core.meta.timeout_seconds * 1000);
        self.events.push_back((Event::Applied { changed }, detail));
    }

    fn feed(&mut self, event: Event, detail: Detail) {
        match self.core.enter(event, detail) {
            Ok(effects) => {
                for effect in effects {
                    self.carry_out(effect, event);
                }
            }
            Err(error) => {
                // Not journalled, so not begun: nothing has been touched yet.
                let error = anyhow::Error::new(error);
                self.fail(Event::PrepareFailed, &error);
            }
        }
    }

    pub(super) fn carry_out(&mut self, effect: Effect, event: Event) {
        match effect {
            Effect::Begin => {
                self.core.announcer.say(Notice::Armed);
                self.push(Event::Begin);
            }
            Effect::Apply => self.apply(),
            Effect::StartCountdown => {
                let notice = Notice::Live {
                    deadline_seconds: self.core.meta.timeout_seconds,
                    deadline_ms: self.core.deadline_ms.unwrap_or_default(),
                    confirm: self.core.meta.origin.confirm_line(),
                    changes: self.core.detail().lines,
                };
                self.core.announcer.say(notice);
                self.set_timer(self.core.deadline_ms);
            }
            Effect::ResumeCountdown => {
                self.core
                    .warn("the guardian was replaced; the countdown goes on");
                self.set_timer(self.core.deadline_ms);
            }
            Effect::Extend(more) => self.extend(more),
            Effect::StopCommand => self.core.stop_command(),
            Effect::Restore => {
                self.set_timer(None);
                let outcome = self.core.restore();
                self.events.push_back(outcome);
            }
            Effect::RestoreIfLive => {
                let outcome = self.core.restore_if_live();
                self.events.push_back(outcome);
            }
            Effect::FinishCommit => {
                self.set_timer(None);
                let changed = event != Event::Applied { changed: false };
                self.core.announcer.say(Notice::Committed { changed });
                finish::commit(&mut self.core, self.store.paths());
                self.closed = true;
            }
            Effect::FinishRollback => {
                self.core.announce_outcome();
                finish::rollback(&mut self.core);
                self.closed = true;
            }
            Effect::ReportFailure => self.report_failure(),
            Effect::Close => {
                self.core.announce_outcome();
                finish::close(&mut self.core);
                self.closed = true;
            }
            Effect::Refuse => {}
        }
    }

    fn prepare(&mut self) {
        let (transaction, meta) = (self.core.transaction.clone(), self.core.meta.clone());
        self.on_a_thread(Heard::Prepared, move || work::prepare(&transaction, &meta));
    }

    /// Does blocking work aside; a panic in it counts as an error, not as silence.
    fn on_a_thread<T: Send + 'static>(
        &self,
        hear: fn(Result<T>) -> Heard,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) {
        let heard = self.heard.clone();
        tokio::spawn(async move {
            let result = tokio::task::spawn_blocking(work).await;
            // Nobody hears it when the transaction was called off meanwhile.
            let _ = heard.send(hear(result.unwrap_or_else(|error| Err(error.into()))));
        });
    }

    fn apply(&mut self) {
        let command = matches!(self.core.meta.work, Work::Command);
        self.core.announcer.say(Notice::Applying { command });
        if command {
            // The command has as long as the confirmation has after it.
            let until = clock::boottime_ms() + self.core.meta.timeout_seconds * 1000;
            self.set_timer(Some(until));
        } else {
            self.work_on(work::apply);
        }
    }

    /// The client's command has ended well: what has it left?
    pub(super) fn command_ended(&mut self) {
        self.set_timer(None);
        self.work_on(|transaction, _, ready| work::after_command(transaction, &ready.checkpoint));
    }

    fn work_on(
        &mut self,
        work: fn(
            &crate::transaction::Transaction,
            &crate::transaction::Meta,
            &Ready,
        ) -> Result<Applied>,
    ) {
        let Some(ready) = self.ready.clone() else {
            self.push(Event::ApplyFailed);
            return;
        };
        self.applying = true;
        let (transaction, meta) = (self.core.transaction.clone(), self.core.meta.clone());
        self.on_a_thread(Heard::Applied, move || work(&transaction, &meta, &ready));
    }

    pub(super) fn set_timer(&mut self, at_ms: Option<u64>) {
        if let Err(error) = self.timer.set(at_ms) {
            self.core.warn(format!("the timer cannot be set ({error})"));
            self.push(Event::Terminate);
        }
    }

    fn report_failure(&mut self) {
        if let Some(pause) = RETRY_PAUSES.get(self.retries) {
            self.retries += 1;
            let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            self.core
                .warn("the checkpoint is not restored in full yet; trying again");
            self.set_timer(Some(clock::boottime_ms() + pause));
            return;
        }
        self.core.announce_outcome();
        finish::rollback(&mut self.core);
        self.closed = true;
    }

    fn watch_successor(&mut self) {
        let Some(pid) = self.pids.successor.and_then(Pid::from_raw) else {
            return;
        };
        let heard = self.heard.clone();
        std::thread::spawn(move || {
            wait_for_end(pid);
            // The guardian may have ended meanwhile.
            let _ = heard.send(Heard::SuccessorDied);
        });
    }

    fn replace_successor(&mut self) {
        match detach::start_successor(&self.core.transaction) {
            Ok(pid) => {
                self.pids.successor = Some(pid.as_raw_pid());
                if let Err(error) = lock::record(self.store.paths(), &self.pids) {
                    self.core.warn(format!("{error:#}"));
                }
                self.watch_successor();
            }
            Err(error) => self.core.warn(format!("{error:#}; going on alone")),
        }
    }
}
