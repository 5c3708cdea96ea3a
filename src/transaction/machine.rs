//! The state machine of a transaction: pure, total, without I/O.
//!
//! The guardian feeds it events and carries out the effects it returns; a state
//! is journalled before its effects are. Exactly one event commits
//! ([`Event::Confirmed`]; and [`Event::Applied`] when there was nothing to change).

#![deny(clippy::wildcard_enum_match_arm)]

pub use super::event::{Effect, Event};
pub use super::state::{Reason, State};

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
        Event::RehearsalRefused => abandon(Reason::Rehearsal),
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
        | Event::RehearsalRefused
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
        Event::Ready
        | Event::RehearsalRefused
        | Event::Begin
        | Event::Applied { .. }
        | Event::Restored
        | Event::Retry => (State::AwaitingConfirm, vec![Effect::Refuse]),
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
        | Event::RehearsalRefused
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
        | Event::RehearsalRefused
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
        | Event::RehearsalRefused
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
