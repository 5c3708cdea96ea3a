//! A notice as an entry of the system's log.

use log::Level;

use crate::client;
use crate::protocol::Notice;
use crate::transaction::Id;

/// How many lines of a notice are written.
const LINES_MAX: usize = 24;
/// How long a line may be, in characters.
const LINE_MAX: usize = 400;

/// What is written.
#[derive(Debug)]
pub struct Entry {
    /// How severe it is; the journal's library makes `PRIORITY` of it.
    pub level: Level,
    /// `MESSAGE_ID`: the same for all entries of one kind, never changed (`sd_journal_send(3)`).
    pub message_id: &'static str,
    /// The event's name.
    pub event: &'static str,
    /// The state's name.
    pub state: &'static str,
    /// The text for people; it begins with the transaction's ID, for logs without fields.
    pub message: String,
}

impl Entry {
    /// The entry for `notice`, announced in the state called `state`.
    #[must_use]
    pub fn new(id: &Id, state: &'static str, notice: &Notice) -> Self {
        let (event, message_id, level) = kind(notice);
        Self {
            level,
            message_id,
            event,
            state,
            message: format!("{id}: {}", text(id, notice)),
        }
    }
}

/// The event's name, its message ID (random; README.md lists them), and how severe it is.
const fn kind(notice: &Notice) -> (&'static str, &'static str, Level) {
    match notice {
        Notice::Prepared => ("prepared", "9c3da4a9d1dd5f836d9c85aa8711d4a3", Level::Debug),
        Notice::Rehearsed { .. } => (
            "rehearsed",
            "814cae9769b3dbe190637fb67032d508",
            Level::Debug,
        ),
        Notice::Armed => ("armed", "9ff35c8f7b1655bb73a2deba1ba41d13", Level::Debug),
        Notice::Applying { .. } => ("applying", "547d398d64f8d3034cb94fc3485b307a", Level::Debug),
        Notice::Live { .. } => ("live", "27d970f043e333db98de572306e8e1f8", Level::Info),
        Notice::Connection { .. } => (
            "connection",
            "87a280abb7e78ced8404f250a6e19b0a",
            Level::Debug,
        ),
        Notice::Extended { .. } => ("extended", "ccefa9f10e2bdec0d2e207e25e07303a", Level::Info),
        Notice::Refused { .. } => ("refused", "c5f41a7971ef9685663fc2e526b5e80d", Level::Warn),
        Notice::Confirmed { .. } => ("confirmed", "354d0d0d06c107e7876d2fc105e7fc06", Level::Info),
        Notice::Committed { .. } => ("committed", "a3ebecf3a70450d2847d9ff173aef38e", Level::Info),
        Notice::Persisted { .. } => ("persisted", "e68eeb890bb65ee8356cbc4936faf7d2", Level::Info),
        Notice::RollingBack { .. } => (
            "rolling_back",
            "bd772c91aee5ae1bc7e755b4d2d2fc58",
            Level::Warn,
        ),
        Notice::RolledBack { .. } => (
            "rolled_back",
            "76a772c13a24bb4bc8ab8747e0742dcf",
            Level::Warn,
        ),
        Notice::RestoreFailed { .. } => (
            "restore_failed",
            "f24292161a8c37233c3e3522aa832cb9",
            Level::Error,
        ),
        Notice::Failed { .. } => ("failed", "39005e2197e959ae306852b62ac64f8a", Level::Warn),
        Notice::Drift { .. } => ("drift", "1cd71701c1821b76ceb74a69e7e02c0f", Level::Warn),
        Notice::Warning { .. } => ("warning", "fba671e1371d495397de17b0ab32d6b7", Level::Warn),
    }
}

/// What people are told, cut to what a log is for.
fn text(id: &Id, notice: &Notice) -> String {
    let mut lines = client::lines(id, notice);
    if matches!(notice, Notice::Rehearsed { .. }) {
        // The verdict; the whole page is in the event log.
        let verdict: Vec<String> = lines
            .into_iter()
            .take_while(|line| !line.is_empty())
            .collect();
        return shortened(&verdict.join(" "));
    }
    let surplus = lines.len().saturating_sub(LINES_MAX);
    if surplus > 0 {
        lines.truncate(LINES_MAX);
        lines.push(format!("  … and {surplus} more lines"));
    }
    let lines: Vec<String> = lines.iter().map(|line| shortened(line)).collect();
    lines.join("\n")
}

/// `line` without what would steer a terminal, and not too long.
fn shortened(line: &str) -> String {
    line.chars()
        .take(LINE_MAX)
        .map(|letter| {
            if letter.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                letter
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Reason;

    const README: &str = include_str!("../../README.md");

    fn id() -> Id {
        "20261122-121643-k7".parse().unwrap()
    }

    fn all() -> Vec<Notice> {
        let (text, reason) = (String::new, Reason::NotConfirmed);
        vec![
            Notice::Prepared,
            Notice::Armed,
            Notice::Applying { command: false },
            Notice::Live {
                deadline_seconds: 60,
                deadline_ms: 1,
                confirm: text(),
                changes: Vec::new(),
            },
            Notice::Connection { peer: text() },
            Notice::Extended {
                deadline_seconds: 60,
                deadline_ms: 1,
            },
            Notice::Refused { message: text() },
            Notice::Confirmed {
                by: text(),
                peer: None,
                forced: true,
            },
            Notice::Committed { changed: true },
            Notice::RollingBack {
                reason,
                error: None,
            },
            Notice::RolledBack {
                reason,
                error: None,
                drift: Vec::new(),
                files: Vec::new(),
            },
            Notice::RestoreFailed {
                differences: Vec::new(),
                checkpoint: text(),
            },
            Notice::Failed {
                error: text(),
                reason,
            },
            Notice::Warning { message: text() },
            Notice::Drift {
                changes: Vec::new(),
                saved: text(),
            },
            Notice::Persisted {
                path: text(),
                backup: None,
            },
        ]
    }

    #[test]
    fn events_are_named_as_in_the_stream_and_documented_with_their_id() {
        let mut ids = std::collections::BTreeSet::new();
        for notice in all() {
            let entry = Entry::new(&id(), "armed", &notice);
            let json = serde_json::to_value(&notice).unwrap();
            assert_eq!(json["event"], entry.event);
            assert!(
                ids.insert(entry.message_id),
                "{} is used twice",
                entry.event
            );
            let row = format!("| `{}` | `{}` |", entry.event, entry.message_id);
            assert!(README.contains(&row), "README.md lacks: {row}");
        }
        assert!(ids.iter().all(|id| id.len() == 32));
    }

    #[test]
    fn a_message_begins_with_the_transaction_and_is_bounded() {
        let changes = (0..5000).map(|n| format!("chain {n}\u{1b}[2J{}", "x".repeat(5000)));
        let notice = Notice::Drift {
            changes: changes.collect(),
            saved: "here".to_owned(),
        };
        let message = Entry::new(&id(), "rolling_back", &notice).message;
        assert!(
            message.starts_with("20261122-121643-k7: Others changed"),
            "{message}"
        );
        assert!(message.len() < 32 * 1024, "{}", message.len());
        assert!(!message.contains('\u{1b}'), "nothing steers a terminal");
        assert!(message.ends_with("more lines"), "{message}");
    }
}
