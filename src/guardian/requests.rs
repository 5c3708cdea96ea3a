//! What clients ask of the guardian over the control socket; a confirmation is judged
//! in `confirm`.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::control::{Input, Peer};
use super::driver::Driver;
use crate::config::may_confirm;
use crate::exit::Exit;
use crate::protocol::{Notice, Reply, Request, Status};
use crate::transaction::journal::Detail;
use crate::transaction::store::Work;
use crate::transaction::{Event, Id, State, clock};

impl Driver {
    /// Deals with what came in over the socket.
    pub(super) fn attend(&mut self, input: Input) {
        match input {
            Input::Gone(peer) => {
                if peer.pid == self.core.meta.client_pid {
                    self.core.client_alive = false;
                    let command = matches!(self.core.meta.work, Work::Command);
                    if command && self.core.state != State::AwaitingConfirm {
                        self.interfere(Event::ClientLost);
                    }
                }
            }
            Input::Request {
                peer,
                request,
                answer,
            } => {
                if !self.allowed(peer) {
                    send(
                        &answer,
                        &refused(
                            Exit::Refused,
                            format!(
                                "user {} may not do this: only root, or a member of the group named in {}, may; the countdown goes on",
                                peer.uid,
                                self.store.paths().config.display()
                            ),
                        ),
                    );
                    return;
                }
                if let Some(reply) = self.answer(peer, request, &answer) {
                    send(&answer, &reply);
                }
            }
        }
    }

    fn allowed(&self, peer: Peer) -> bool {
        let mut groups = vec![peer.gid];
        groups.extend(supplementary_groups(peer.pid, peer.uid));
        may_confirm(peer.uid, &groups, &self.core.config)
    }

    fn answer(
        &mut self,
        peer: Peer,
        request: Request,
        answer: &UnboundedSender<String>,
    ) -> Option<Reply> {
        if let Request::Confirm { id, .. } | Request::Rollback { id } | Request::Extend { id, .. } =
            &request
            && let Some(reply) = self.other_id(id.as_ref())
        {
            return Some(reply);
        }
        match request {
            Request::Watch => {
                if peer.pid == self.core.meta.client_pid {
                    self.core.client_alive = true;
                }
                self.core.announcer.add(answer.clone());
                None
            }
            Request::Status => Some(Reply::Status(self.status())),
            Request::Confirm { force, .. } => Some(self.confirm(peer, force)),
            Request::Rollback { .. } => {
                // The outcome follows as a notice to the same client.
                self.core.announcer.add(answer.clone());
                self.interfere(Event::RollbackRequested);
                None
            }
            Request::Extend { seconds, .. } => Some(self.may_extend(seconds)),
            Request::CommandEnded { error } => {
                self.core.client_alive = peer.pid == self.core.meta.client_pid;
                if self.core.state == State::Applying {
                    match error {
                        None => self.command_ended(),
                        Some(error) => {
                            let detail = Detail {
                                error: Some(error),
                                ..Detail::default()
                            };
                            self.events.push_back((Event::ApplyFailed, detail));
                        }
                    }
                }
                None
            }
        }
    }

    fn other_id(&self, id: Option<&Id>) -> Option<Reply> {
        let pending = &self.core.transaction.id;
        id.filter(|id| *id != pending).map(|id| {
            refused(
                Exit::Failed,
                format!("transaction {id} is not pending; {pending} is"),
            )
        })
    }

    fn status(&self) -> Status {
        let left = self
            .core
            .deadline_ms
            .filter(|_| self.core.state == State::AwaitingConfirm);
        Status {
            transaction: self.core.transaction.id.clone(),
            state: self.core.state.name().to_owned(),
            remaining_seconds: left
                .map(|at| at.saturating_sub(clock::boottime_ms()).div_ceil(1000)),
            started_by: self.core.meta.origin.to_string(),
            confirm: self.core.meta.origin.confirm_line(),
            guardian_pid: self.pids.guardian,
            successor_pid: self.pids.successor,
        }
    }

    fn may_extend(&mut self, seconds: u64) -> Reply {
        if self.core.state != State::AwaitingConfirm {
            return refused(Exit::Failed, "there is no countdown to extend".to_owned());
        }
        self.extend(Duration::from_secs(seconds));
        let left = self.status().remaining_seconds.unwrap_or_default();
        Reply::Done {
            message: format!("{left} s left to confirm. The new rules are live but not confirmed."),
        }
    }

    /// Moves the deadline, up to the longest time that may be asked for from now.
    pub(super) fn extend(&mut self, more: Duration) {
        let now = clock::boottime_ms();
        let more = u64::try_from(more.as_millis()).unwrap_or(u64::MAX);
        let longest = u64::try_from(crate::cli::TIMEOUT_MAX.as_millis()).unwrap_or(u64::MAX);
        let deadline = self.core.deadline_ms.unwrap_or(now).saturating_add(more);
        let deadline = deadline.min(now.saturating_add(longest));
        self.core.deadline_ms = Some(deadline);
        self.core.note(Detail::default());
        self.core.tell_logins();
        self.core.announcer.say(Notice::Extended {
            deadline_seconds: deadline.saturating_sub(now).div_ceil(1000),
            deadline_ms: deadline,
        });
        self.set_timer(Some(deadline));
    }
}

/// The reply that says no.
pub(super) fn refused(exit: Exit, message: String) -> Reply {
    Reply::Refused {
        exit: exit as u8,
        message,
    }
}

fn send(answer: &UnboundedSender<String>, reply: &Reply) {
    if let Ok(line) = serde_json::to_string(reply) {
        // A client that is gone does not need it.
        let _ = answer.send(line);
    }
}

/// The supplementary groups of a process (`/proc/PID/status`, `proc(5)`), as long
/// as it still runs as `uid`.
fn supplementary_groups(pid: i32, uid: u32) -> Vec<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = |key: &str| -> Vec<u32> {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect()
    };
    if numbers("Uid:").get(1) == Some(&uid) {
        numbers("Groups:")
    } else {
        Vec::new()
    }
}
