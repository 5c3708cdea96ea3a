//! The event loop: signals, the control socket, the timer and finished work feed the
//! state machine; what comes of it is carried out in [`effects`].

mod effects;
mod start_up;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Pid;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::control::{Control, Input};
use super::core::Core;
use super::lock::{self, Pids};
use super::successor::wait_for_end;
use super::timer::Timer;
use super::vitals::{View, Vitals};
use super::work::{self, Applied, Ready};
use super::{detach, finish};
use crate::connection::{Known, SSH_PORT, arrivals};
use crate::protocol::Notice;
use crate::transaction::journal::Detail;
use crate::transaction::{Event, State, Store, clock};

pub use start_up::run;

/// How often the host is asked for connections that are new.
const ARRIVALS_EVERY: Duration = Duration::from_millis(500);

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
    vitals: Vitals,
    heard: UnboundedSender<Heard>,
    closed: bool,
}

impl Driver {
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
            self.vitals.turn(self.view(), clock::boottime_ms());
            let awaiting = self.core.state == State::AwaitingConfirm;
            let heard = tokio::select! {
                () = control.serve() => continue,
                Some(input) = inputs.recv() => Heard::Socket(input),
                Some(heard) = hears.recv() => heard,
                _ = look.tick(), if awaiting => Heard::Look,
                () = self.vitals.due() => continue,
            };
            if matches!(heard, Heard::Look) {
                self.stay_reachable(control);
            }
            self.hear(heard);
        }
    }

    /// What systemd is told of the transaction.
    fn view(&self) -> View {
        View {
            state: self.core.state.clone(),
            deadline_ms: self.core.deadline_ms,
            confirm: self.core.meta.origin.confirm_line(),
        }
    }

    /// Does work that makes the event loop stand still, and says so before and after.
    pub(super) fn standing_still<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.vitals.still(self.view(), clock::boottime_ms());
        let result = work(self);
        self.vitals.turning();
        result
    }

    /// Makes the control socket anew where somebody has cleaned up the runtime directory.
    fn stay_reachable(&mut self, control: &mut Control) {
        let paths = self.store.paths();
        if control.is_reachable(paths) || self.store.prepare().is_err() {
            return;
        }
        self.core.tell_logins();
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
                // Of a busy web server's connections nobody wants to be told.
                let service = self.core.meta.origin.tuple;
                let port = service.map_or(SSH_PORT, |tuple| tuple.local.port());
                for tuple in arrivals(known, &mut self.seen, Some(port)) {
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
                self.core.boot_files.before.clone_from(&ready.boot_state);
                let refusal = self.rehearsed(&ready);
                self.ready = Some(Arc::new(ready));
                match refusal {
                    Some((event, error)) => self.fail(event, &error),
                    None => self.push(Event::Ready),
                }
            }
            Heard::Prepared(Err(error)) => self.fail(Event::PrepareFailed, &error),
            Heard::Applied(result) => {
                self.applying = false;
                match result {
                    Ok(applied) => self.is_live(applied),
                    Err(error) => {
                        self.core.untouched = error.is::<work::Untouched>();
                        self.fail(Event::ApplyFailed, &error);
                    }
                }
                if let Some(event) = self.deferred.take() {
                    self.push(event);
                }
            }
        }
    }

    /// Tells what the rehearsal found; why it is refused, if it is.
    fn rehearsed(&mut self, ready: &Ready) -> Option<(Event, anyhow::Error)> {
        let report = ready.report.clone()?;
        let (no_way_back, refusal) = (report.no_way_back(), report.refusal());
        let forced = self.core.meta.force;
        self.core
            .announcer
            .say(Notice::Rehearsed { report, forced });
        if let Some(reason) = no_way_back {
            return Some((Event::PrepareFailed, anyhow::Error::msg(reason)));
        }
        let refusal = refusal?;
        if forced {
            self.core.warn(format!("{refusal}; going on, by force"));
            return None;
        }
        Some((Event::RehearsalRefused, anyhow::Error::msg(refusal)))
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
        let before = self.core.boot_files.before.as_ref();
        let files = (before.zip(applied.boot_state.as_ref()))
            .is_some_and(|(before, after)| !before.equals(after));
        let changed = !applied.touched.is_empty() || files || self.core.meta.persist.is_some();
        for warning in applied.warnings {
            self.core.warn(warning);
        }
        self.known = Some(applied.known);
        self.core.touched = applied.touched;
        self.core.boot_files.applied = applied.boot_state;
        self.core.applied = Some(applied.applied);
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
