//! What the tests of the journal share.

use safe_apply::transaction::journal::{Detail, Durability, Error, Journal};
use safe_apply::transaction::{Reason, State};

/// What a journal of a change that nobody confirmed goes through.
pub const STATES: [State; 6] = [
    State::Prepared,
    State::Armed,
    State::Applying,
    State::AwaitingConfirm,
    State::RollingBack {
        reason: Reason::NotConfirmed,
    },
    State::RolledBack {
        reason: Reason::NotConfirmed,
    },
];

/// Appends `states`, each with a detail that is more than plain letters.
pub fn write(journal: &mut Journal, states: &[State], durability: Durability) -> Result<(), Error> {
    for state in states {
        let detail = Detail {
            lines: vec!["table ip filter: \"é\"\nchanged".to_owned()],
            ..Detail::default()
        };
        journal.append(state, Some(123_456), detail, durability)?;
    }
    Ok(())
}

/// How much of a preallocated journal is written, in bytes.
pub fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}
