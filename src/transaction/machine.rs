//! The state machine of a transaction: pure, total, without I/O.
//!
//! The guardian feeds it events and carries out the effects it returns; a state
//! is journalled before its effects are. Exactly one event commits
//! ([`Event::Confirmed`]; and [`Event::Applied`] when there was nothing to change).

#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a transaction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum State {
    /// The transaction exists; the firewall is untouched.
    Prepared,
    /// The way back is proven, durable and guarded; the firewall is untouched.
    Armed,
    /// The candidate is being brought to the kernel.
    Applying,
    /// The candidate is live; the countdown runs.
    AwaitingConfirm,
    /// Somebody confirmed: the candidate stays.
    Committed,
    /// The checkpoint is being restored.
    RollingBack {
        /// Why.
        reason: Reason,
    },
    /// The checkpoint was restored and read back.
    RolledBack {
        /// Why.
        reason: Reason,
    },
    /// The checkpoint could not be restored in full.
    RestoreFailed {
        /// Why a rollback was wanted.
        reason: Reason,
    },
    /// Given up before anything was touched.
    Abandoned {
        /// Why.
        reason: Reason,
    },
}

/// Why a transaction did not commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody confirmed in time.
    NotConfirmed,
    /// Somebody asked for it (Ctrl-C, `safe-apply rollback`).
    Requested,
    /// The guardian was told to stop (SIGTERM, shutdown).
    Terminated,
    /// The candidate could not be applied in full.
    ApplyFailed,
    /// The command did not end before the deadline.
    CommandDeadline,
    /// The client that ran the command is gone.
    ClientLost,
    /// The guardian died before the candidate was fully applied.
    GuardianLost,
    /// The host was rebooted before anybody confirmed.
    Rebooted,
    /// The preparation failed; nothing was touched.
    PrepareFailed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConfirmed => "nobody confirmed in time",
            Self::Requested => "a rollback was asked for",
            Self::Terminated => "the guardian was told to stop",
            Self::ApplyFailed => "the new rules could not be applied in full",
            Self::CommandDeadline => "the command did not end in time",
            Self::ClientLost => "the client that ran the command is gone",
            Self::GuardianLost => "the guardian died",
            Self::Rebooted => "the host was rebooted before anybody confirmed",
            Self::PrepareFailed => "the preparation failed",
        })
    }
}

/// What happens to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The checkpoint is proven and durable, the successor in place.
    Ready,
    /// The preparation failed.
    PrepareFailed,
    /// The candidate may now be applied.
    Begin,
    /// The candidate is live and was read back.
    Applied {
        /// Whether it changed anything that needs confirming.
        changed: bool,
    },
    /// The candidate could not be applied in full.
    ApplyFailed,
    /// A confirmation that was judged and accepted.
    Confirmed,
    /// More time was asked for.
    Extend(Duration),
    /// The countdown, or the time a command may take, has run out.
    Deadline,
    /// A rollback was asked for.
    RollbackRequested,
    /// The guardian was told to stop.
    Terminate,
    /// The client that runs the command is gone.
    ClientLost,
    /// A new guardian found the journal of a dead one, in the same boot.
    Resume,
    /// A later verb found the journal of a dead guardian that nobody succeeded.
    Orphaned,
    /// The journal is from before a reboot.
    Rebooted,
    /// The checkpoint was restored, read back and found equal.
    Restored,
    /// Something of the checkpoint could not be restored.
    RestoreFailed,
    /// The restore is to be tried once more.
    Retry,
}

/// What the guardian has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Announce [`Event::Begin`] to whoever applies.
    Begin,
    /// Bring the candidate to the kernel.
    Apply,
    /// Start the countdown.
    StartCountdown,
    /// Go on with the countdown whose deadline the journal holds.
    ResumeCountdown,
    /// Move the deadline.
    Extend(Duration),
    /// End the command and its children, if one runs.
    StopCommand,
    /// Restore the checkpoint.
    Restore,
    /// Make sure that the unconfirmed rules are not what this boot has loaded.
    RestoreIfLive,
    /// Persist, run the hook, close.
    FinishCommit,
    /// Report, run the hook, close.
    FinishRollback,
    /// Report the incomplete restore and try again a bounded number of times.
    ReportFailure,
    /// Close; nothing was touched.
    Close,
    /// The event does not fit the state; say so to whoever sent it.
    Refuse,
}

impl State {
    /// Nothing more happens to a transaction in this state by itself.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Committed
            | Self::RolledBack { .. }
            | Self::RestoreFailed { .. }
            | Self::Abandoned { .. } => true,
            Self::Prepared
            | Self::Armed
            | Self::Applying
            | Self::AwaitingConfirm
            | Self::RollingBack { .. } => false,
        }
    }

    /// The name as it stands in the journal and in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Armed => "armed",
            Self::Applying => "applying",
            Self::AwaitingConfirm => "awaiting_confirm",
            Self::Committed => "committed",
            Self::RollingBack { .. } => "rolling_back",
            Self::RolledBack { .. } => "rolled_back",
            Self::RestoreFailed { .. } => "restore_failed",
            Self::Abandoned { .. } => "failed",
        }
    }

    /// Why it was or is being rolled back.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::RollingBack { reason }
            | Self::RolledBack { reason }
            | Self::RestoreFailed { reason }
            | Self::Abandoned { reason } => Some(*reason),
            Self::Prepared
            | Self::Armed
            | Self::Applying
            | Self::AwaitingConfirm
            | Self::Committed => None,
        }
    }
}

/// The next state, and what to do about it.
#[must_use]
pub fn step(state: State, event: Event) -> (State, Vec<Effect>) {
    match state {
        State::Prepared => untouched(State::Prepared, event),
        State::Armed => untouched(State::Armed, event),
        State::Applying => applying(event),
        State::AwaitingConfirm => awaiting(event),
        State::RollingBack { reason } => rolling_back(reason, event),
        State::RestoreFailed { reason } => restore_failed(reason, event),
        State::Committed => (State::Committed, closed(event, Effect::FinishCommit)),
        State::RolledBack { reason } => (
            State::RolledBack { reason },
            closed(event, Effect::FinishRollback),
        ),
        State::Abandoned { reason } => (State::Abandoned { reason }, closed(event, Effect::Close)),
    }
}

fn untouched(state: State, event: Event) -> (State, Vec<Effect>) {
    let abandon = |reason| (State::Abandoned { reason }, vec![Effect::Close]);
    match event {
        Event::Ready if state == State::Prepared => (State::Armed, vec![Effect::Begin]),
        Event::Begin if state == State::Armed => (State::Applying, vec![Effect::Apply]),
        Event::PrepareFailed | Event::ApplyFailed | Event::RestoreFailed => {
            abandon(Reason::PrepareFailed)
        }
        Event::Deadline => abandon(Reason::NotConfirmed),
        Event::RollbackRequested => abandon(Reason::Requested),
        Event::Terminate => abandon(Reason::Terminated),
        Event::ClientLost => abandon(Reason::ClientLost),
        Event::Resume | Event::Orphaned => abandon(Reason::GuardianLost),
        Event::Rebooted => abandon(Reason::Rebooted),
        Event::Ready
        | Event::Begin
        | Event::Applied { .. }
        | Event::Confirmed
        | Event::Extend(_)
        | Event::Restored
        | Event::Retry => (state, vec![Effect::Refuse]),
    }
}

fn roll_back(reason: Reason) -> (State, Vec<Effect>) {
    (
        State::RollingBack { reason },
        vec![Effect::StopCommand, Effect::Restore],
    )
}

fn applying(event: Event) -> (State, Vec<Effect>) {
    match event {
        Event::Applied { changed: true } => (State::AwaitingConfirm, vec![Effect::StartCountdown]),
        Event::Applied { changed: false } => (State::Committed, vec![Effect::FinishCommit]),
        Event::ApplyFailed | Event::PrepareFailed => roll_back(Reason::ApplyFailed),
        Event::Deadline => roll_back(Reason::CommandDeadline),
        Event::RollbackRequested => roll_back(Reason::Requested),
        Event::Terminate => roll_back(Reason::Terminated),
        Event::ClientLost => roll_back(Reason::ClientLost),
        Event::Resume | Event::Orphaned => roll_back(Reason::GuardianLost),
        Event::Rebooted => rebooted(),
        Event::Ready
        | Event::Begin
        | Event::Confirmed
        | Event::Extend(_)
        | Event::Restored
        | Event::RestoreFailed
        | Event::Retry => (State::Applying, vec![Effect::Refuse]),
    }
}

fn awaiting(event: Event) -> (State, Vec<Effect>) {
    match event {
        Event::Confirmed => (State::Committed, vec![Effect::FinishCommit]),
        Event::Extend(more) => (State::AwaitingConfirm, vec![Effect::Extend(more)]),
        Event::Resume => (State::AwaitingConfirm, vec![Effect::ResumeCountdown]),
        Event::Orphaned => roll_back(Reason::GuardianLost),
        Event::Deadline => roll_back(Reason::NotConfirmed),
        Event::RollbackRequested => roll_back(Reason::Requested),
        Event::Terminate => roll_back(Reason::Terminated),
        Event::Rebooted => rebooted(),
        // The user may be on the way back in over a new connection.
        Event::ClientLost => (State::AwaitingConfirm, vec![]),
        Event::ApplyFailed | Event::PrepareFailed | Event::RestoreFailed => {
            roll_back(Reason::ApplyFailed)
        }
        Event::Ready | Event::Begin | Event::Applied { .. } | Event::Restored | Event::Retry => {
            (State::AwaitingConfirm, vec![Effect::Refuse])
        }
    }
}

fn rebooted() -> (State, Vec<Effect>) {
    (
        State::RollingBack {
            reason: Reason::Rebooted,
        },
        vec![Effect::RestoreIfLive],
    )
}

fn rolling_back(reason: Reason, event: Event) -> (State, Vec<Effect>) {
    match event {
        Event::Restored => (State::RolledBack { reason }, vec![Effect::FinishRollback]),
        Event::RestoreFailed => (State::RestoreFailed { reason }, vec![Effect::ReportFailure]),
        Event::Resume | Event::Orphaned | Event::Retry => (
            State::RollingBack { reason },
            vec![Effect::StopCommand, Effect::Restore],
        ),
        Event::Rebooted => rebooted(),
        // A rollback that has begun is not called off, and needs no second reason.
        Event::RollbackRequested | Event::Terminate | Event::Deadline | Event::ClientLost => {
            (State::RollingBack { reason }, vec![])
        }
        Event::Ready
        | Event::PrepareFailed
        | Event::Begin
        | Event::Applied { .. }
        | Event::ApplyFailed
        | Event::Confirmed
        | Event::Extend(_) => (State::RollingBack { reason }, vec![Effect::Refuse]),
    }
}

fn restore_failed(reason: Reason, event: Event) -> (State, Vec<Effect>) {
    match event {
        Event::Retry | Event::Resume | Event::Orphaned | Event::RollbackRequested => {
            (State::RollingBack { reason }, vec![Effect::Restore])
        }
        Event::Rebooted => rebooted(),
        Event::Terminate | Event::ClientLost | Event::Deadline => {
            (State::RestoreFailed { reason }, vec![])
        }
        Event::Ready
        | Event::PrepareFailed
        | Event::Begin
        | Event::Applied { .. }
        | Event::ApplyFailed
        | Event::Confirmed
        | Event::Extend(_)
        | Event::Restored
        | Event::RestoreFailed => (State::RestoreFailed { reason }, vec![Effect::Refuse]),
    }
}

/// A closed transaction only finishes what its outcome still demands.
fn closed(event: Event, finish: Effect) -> Vec<Effect> {
    match event {
        Event::Resume | Event::Orphaned | Event::Rebooted => vec![finish],
        Event::Terminate | Event::ClientLost | Event::Deadline => vec![],
        Event::Ready
        | Event::PrepareFailed
        | Event::Begin
        | Event::Applied { .. }
        | Event::ApplyFailed
        | Event::Confirmed
        | Event::Extend(_)
        | Event::RollbackRequested
        | Event::Restored
        | Event::RestoreFailed
        | Event::Retry => vec![Effect::Refuse],
    }
}
