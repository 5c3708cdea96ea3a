//! What the state machine demands, carried out: threads that work on the kernel, the
//! timer, notices, and the end.

use anyhow::Result;

use super::{Driver, Heard};
use crate::guardian::finish;
use crate::guardian::restore::RETRY_PAUSES;
use crate::guardian::work::{self, Applied, Ready};
use crate::protocol::Notice;
use crate::transaction::store::Work;
use crate::transaction::{Effect, Event, Meta, Transaction, clock};

impl Driver {
    pub(in crate::guardian) fn carry_out(&mut self, effect: Effect, event: Event) {
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
            Effect::StopCommand => self.standing_still(|driver| driver.core.stop_command()),
            Effect::Restore => {
                self.set_timer(None);
                let outcome = self.standing_still(|driver| driver.core.restore());
                self.events.push_back(outcome);
            }
            Effect::RestoreIfLive => {
                let outcome = self.standing_still(|driver| driver.core.restore_if_live());
                self.events.push_back(outcome);
            }
            Effect::FinishCommit => {
                self.set_timer(None);
                let changed = event != Event::Applied { changed: false };
                self.core.announcer.say(Notice::Committed { changed });
                self.standing_still(|driver| {
                    finish::commit(&mut driver.core, driver.store.paths());
                });
                self.closed = true;
            }
            Effect::FinishRollback => {
                self.finish_rollback();
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

    pub(super) fn prepare(&mut self) {
        let (transaction, meta) = (self.core.transaction.clone(), self.core.meta.clone());
        let paths = self.store.paths().clone();
        self.on_a_thread(Heard::Prepared, move || {
            work::prepare(&transaction, &meta, &paths)
        });
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
    pub(in crate::guardian) fn command_ended(&mut self) {
        self.set_timer(None);
        self.work_on(work::after_command);
    }

    fn work_on(&mut self, work: fn(&Transaction, &Meta, &Ready) -> Result<Applied>) {
        let Some(ready) = self.ready.clone() else {
            self.push(Event::ApplyFailed);
            return;
        };
        self.applying = true;
        let (transaction, meta) = (self.core.transaction.clone(), self.core.meta.clone());
        self.on_a_thread(Heard::Applied, move || work(&transaction, &meta, &ready));
    }

    pub(in crate::guardian) fn set_timer(&mut self, at_ms: Option<u64>) {
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
        self.finish_rollback();
    }

    /// Tells the outcome, runs the hook.
    fn finish_rollback(&mut self) {
        self.core.announce_outcome();
        self.standing_still(|driver| finish::rollback(&mut driver.core));
        self.closed = true;
    }
}
