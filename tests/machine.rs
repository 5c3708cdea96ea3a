//! The state machine: every state against every event, and random histories.

use std::time::Duration;

use proptest::prelude::*;
use safe_apply::transaction::machine::step;
use safe_apply::transaction::{Effect, Event, Reason, State};

const REASONS: [Reason; 10] = [
    Reason::NotConfirmed,
    Reason::Requested,
    Reason::Terminated,
    Reason::ApplyFailed,
    Reason::CommandDeadline,
    Reason::ClientLost,
    Reason::GuardianLost,
    Reason::Rebooted,
    Reason::PrepareFailed,
    Reason::Rehearsal,
];

const EVENTS: [Event; 19] = [
    Event::Ready,
    Event::PrepareFailed,
    Event::RehearsalRefused,
    Event::Begin,
    Event::Applied { changed: true },
    Event::Applied { changed: false },
    Event::ApplyFailed,
    Event::Confirmed,
    Event::Extend(Duration::from_secs(60)),
    Event::Deadline,
    Event::RollbackRequested,
    Event::Terminate,
    Event::ClientLost,
    Event::Resume,
    Event::Orphaned,
    Event::Rebooted,
    Event::Restored,
    Event::RestoreFailed,
    Event::Retry,
];

fn states() -> Vec<State> {
    let mut states = vec![
        State::Prepared,
        State::Armed,
        State::Applying,
        State::AwaitingConfirm,
        State::Committed,
    ];
    for reason in REASONS {
        states.push(State::RollingBack { reason });
        states.push(State::RolledBack { reason });
        states.push(State::RestoreFailed { reason });
        states.push(State::Abandoned { reason });
    }
    states
}

/// Letters: `=` stays, `A` armed, `P` applying, `W` awaiting, `C` committed, `B` rolling
/// back, `R` rolled back, `F` restore failed, `N` abandoned. Columns as in [`EVENTS`].
const TABLE: [(&str, &str); 9] = [
    //                   ready prepF rehF begin appl+ appl- applF conf ext dead req term lost resume orph reboot restd restF retry
    ("prepared", "ANN===N==NNNNNNN=N="),
    ("armed", "=NNP==N==NNNNNNN=N="),
    ("applying", "=B==WCB==BBBBBBB==="),
    ("awaiting_confirm", "=B====BC=BBB==BB=B="),
    ("committed", "==================="),
    ("rolling_back", "=============BBBRFB"),
    ("rolled_back", "==================="),
    ("restore_failed", "==========B==BBB==B"),
    ("failed", "==================="),
];

fn letter(state: &State) -> char {
    match state {
        State::Prepared => 'p',
        State::Armed => 'A',
        State::Applying => 'P',
        State::AwaitingConfirm => 'W',
        State::Committed => 'C',
        State::RollingBack { .. } => 'B',
        State::RolledBack { .. } => 'R',
        State::RestoreFailed { .. } => 'F',
        State::Abandoned { .. } => 'N',
    }
}

#[test]
fn every_state_meets_every_event() {
    for state in states() {
        let (_, row) = TABLE
            .iter()
            .find(|(name, _)| *name == state.name())
            .unwrap();
        assert_eq!(row.len(), EVENTS.len(), "{}", state.name());
        for (event, expected) in EVENTS.into_iter().zip(row.chars()) {
            let (next, _) = step(state.clone(), event);
            let expected = if expected == '=' {
                letter(&state)
            } else {
                expected
            };
            assert_eq!(
                letter(&next),
                expected,
                "{state:?} on {event:?} became {next:?}"
            );
        }
    }
}

#[test]
fn only_a_confirmation_or_nothing_to_confirm_commits() {
    for state in states()
        .into_iter()
        .filter(|state| *state != State::Committed)
    {
        for event in EVENTS {
            let (next, effects) = step(state.clone(), event);
            let commits = matches!(
                (&state, event),
                (State::AwaitingConfirm, Event::Confirmed)
                    | (State::Applying, Event::Applied { changed: false })
            );
            assert_eq!(next == State::Committed, commits, "{state:?} on {event:?}");
            assert_eq!(
                effects.contains(&Effect::FinishCommit),
                commits,
                "{state:?} on {event:?}"
            );
        }
    }
}

#[test]
fn the_kernel_is_written_to_in_two_states_alone() {
    for state in states() {
        for event in EVENTS {
            let (next, effects) = step(state.clone(), event);
            for effect in effects {
                match effect {
                    Effect::Apply => assert_eq!(next, State::Applying, "{state:?} on {event:?}"),
                    Effect::Restore | Effect::RestoreIfLive => assert!(
                        matches!(next, State::RollingBack { .. }),
                        "{state:?} on {event:?}"
                    ),
                    Effect::StartCountdown | Effect::ResumeCountdown | Effect::Extend(_) => {
                        assert_eq!(next, State::AwaitingConfirm, "{state:?} on {event:?}");
                    }
                    Effect::Begin
                    | Effect::StopCommand
                    | Effect::FinishCommit
                    | Effect::FinishRollback
                    | Effect::ReportFailure
                    | Effect::Close
                    | Effect::Refuse => {}
                }
            }
        }
    }
}

#[test]
fn entering_a_rollback_always_restores() {
    for state in states() {
        for event in EVENTS {
            let (next, effects) = step(state.clone(), event);
            let entered = matches!(next, State::RollingBack { .. }) && next != state;
            if entered {
                let restores = effects
                    .iter()
                    .any(|effect| matches!(effect, Effect::Restore | Effect::RestoreIfLive));
                assert!(restores, "{state:?} on {event:?}: {effects:?}");
            }
        }
    }
}

#[test]
fn a_rollback_keeps_its_reason_but_for_a_reboot() {
    for reason in REASONS {
        for event in EVENTS {
            let (next, _) = step(State::RollingBack { reason }, event);
            let expected = if event == Event::Rebooted {
                Reason::Rebooted
            } else {
                reason
            };
            assert_eq!(next.reason(), Some(expected), "{event:?}");
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        proptest::sample::select(EVENTS.to_vec()),
        (0..u64::MAX).prop_map(|seconds| Event::Extend(Duration::from_secs(seconds))),
    ]
}

proptest! {
    /// Whatever happens: a commit was earned, a touched firewall is never called
    /// untouched, and a final state stays.
    #[test]
    fn histories_end_well(events in proptest::collection::vec(any_event(), 0..60)) {
        let mut state = State::Prepared;
        let mut touched = false;
        let mut awaited = false;
        let mut restored = false;
        for event in events {
            let (next, effects) = step(state.clone(), event);
            touched |= effects.contains(&Effect::Apply);
            awaited |= next == State::AwaitingConfirm;
            if matches!(state, State::RollingBack { .. }) {
                restored |= event == Event::Restored;
            }
            match &next {
                State::Abandoned { .. } => prop_assert!(!touched),
                State::RolledBack { .. } => prop_assert!(restored),
                State::Committed if state != State::Committed => {
                    let unchanged = event == Event::Applied { changed: false };
                    prop_assert!(unchanged || awaited && event == Event::Confirmed);
                }
                State::Prepared | State::Armed => prop_assert!(!touched),
                State::Applying
                | State::AwaitingConfirm
                | State::Committed
                | State::RollingBack { .. }
                | State::RestoreFailed { .. } => prop_assert!(touched),
            }
            if state.is_final() && !matches!(state, State::RestoreFailed { .. }) {
                prop_assert_eq!(&next, &state);
            }
            state = next;
        }
    }
}
