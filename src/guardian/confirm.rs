//! A confirmation, judged: only one that comes over a new connection commits.

use std::path::Path;

use super::control::Peer;
use super::driver::Driver;
use super::finish;
use super::requests::refused;
use crate::checkpoint::{self, Snapshot};
use crate::connection::{Verdict, judge, origin};
use crate::exit::Exit;
use crate::protocol::{Notice, Reply};
use crate::transaction::journal::Detail;
use crate::transaction::{Event, State, clock};

impl Driver {
    /// Commits, or says why not.
    pub(super) fn confirm(&mut self, peer: Peer, force: bool) -> Reply {
        if self.core.state == State::Committed {
            return Reply::Done {
                message: "Confirmed already. The new rules are live and stay.".to_owned(),
            };
        }
        if self.core.state != State::AwaitingConfirm {
            return refused(
                Exit::Failed,
                format!(
                    "there is nothing to confirm yet or any more: the transaction is in the state '{}'",
                    self.core.state.name()
                ),
            );
        }
        if self
            .core
            .deadline_ms
            .is_some_and(|at| at <= clock::boottime_ms())
        {
            self.push(Event::Deadline);
            return refused(
                Exit::NotConfirmed,
                "the time to confirm has run out; the rules from before are being restored"
                    .to_owned(),
            );
        }
        let (from, why) = self.judge(peer);
        if let Some(why) = &why
            && !force
        {
            self.core.announcer.say(Notice::Refused {
                message: why.clone(),
            });
            return refused(
                Exit::Refused,
                format!("{why}\nThe new rules are live but not confirmed; the countdown goes on."),
            );
        }
        self.standing_still(|driver| driver.commit(peer, from, why.is_some()))
    }

    /// Where the new connection comes from, or why this is not one.
    fn judge(&self, peer: Peer) -> (Option<String>, Option<String>) {
        let Some(known) = &self.known else {
            let why = "the record of the connections from before is lost, so no connection can be told to be new";
            return (None, Some(why.to_owned()));
        };
        let applying = self.core.meta.origin.tuple.as_ref();
        match judge(Path::new("/proc"), peer.pid, known, applying) {
            Ok(Verdict::New { connection, .. }) => (Some(connection.peer.to_string()), None),
            Ok(Verdict::Refused(refusal)) => (None, Some(refusal.to_string())),
            Err(error) => (None, Some(error.to_string())),
        }
    }

    fn commit(&mut self, peer: Peer, from: Option<String>, forced: bool) -> Reply {
        let changes = match self.drift() {
            Ok(lines) => lines,
            Err(error) => {
                return refused(
                    Exit::Failed,
                    format!(
                        "the live rules cannot be read back ({error:#}); nothing is confirmed, the countdown goes on"
                    ),
                );
            }
        };
        let detail = Detail {
            peer: from.clone(),
            forced,
            lines: finish::bounded(changes.clone()),
            ..Detail::default()
        };
        let effects = match self.core.enter(Event::Confirmed, detail) {
            Ok(effects) => effects,
            Err(error) => {
                // The disk may take it yet: what comes after it in the other copy says that it does not count.
                self.core.note(self.core.detail());
                return refused(
                    Exit::Failed,
                    format!(
                        "{error}: the confirmation cannot be recorded, so it does not count; make room and confirm again, the countdown goes on"
                    ),
                );
            }
        };
        if !changes.is_empty() {
            self.core.announcer.say(Notice::Drift {
                changes,
                saved: "they stay as they are".to_owned(),
            });
        }
        let who = origin(Path::new("/proc"), peer.pid).user;
        self.core.announcer.say(Notice::Confirmed {
            by: who.unwrap_or_else(|| format!("user {}", peer.uid)),
            peer: from.clone(),
            forced,
        });
        for effect in effects {
            self.carry_out(effect, Event::Confirmed);
        }
        let how = match (forced, from) {
            (false, Some(peer)) => format!("over a new connection from {peer}"),
            (true, _) | (false, None) => "by force".to_owned(),
        };
        Reply::Done {
            message: format!(
                "Confirmed {how}. The new rules are live and stay (transaction {}).",
                self.core.transaction.id
            ),
        }
    }

    /// What others changed since the apply, in what the candidate touched.
    fn drift(&self) -> Result<Vec<String>, checkpoint::Error> {
        let live = Snapshot::capture()?;
        Ok(self.core.applied.as_ref().map_or_else(Vec::new, |applied| {
            checkpoint::drift(applied, &live, &self.core.touched).lines
        }))
    }
}
