//! The system's log: every notice goes to journald, in structured fields, or where there
//! is none to the syslog socket, or nowhere.
//!
//! Both may hang, and the guardian must not: a thread of its own does the sending, and what
//! it cannot get rid of is lost. The transaction's own event log has it all.

mod entry;

use std::path::Path;

use log::{Level, Record};
use nix::syslog::{Facility, LogFlags, Priority, Severity, openlog, syslog};
use systemd_journal_logger::JournalLog;

use crate::aside::Aside;
use crate::protocol::Notice;
use crate::transaction::Id;
use entry::Entry;

/// `SYSLOG_IDENTIFIER`: `journalctl -t safe-apply`.
pub const IDENTIFIER: &str = "safe-apply";
/// The field that holds the transaction's ID.
pub const TRANSACTION: &str = "SAFE_APPLY_TRANSACTION";
/// The field that holds the event's name, as in the event stream.
pub const EVENT: &str = "SAFE_APPLY_EVENT";
/// The field that holds the state's name.
pub const STATE: &str = "SAFE_APPLY_STATE";
/// Where syslog daemons listen (`syslog(3)`).
const SYSLOG_SOCKET: &str = "/dev/log";

/// The way to the system's log for one transaction.
#[derive(Debug)]
pub struct SystemLog {
    id: Id,
    entries: Aside<Entry>,
}

impl SystemLog {
    /// Opens the log for transaction `id`; never fails, and never waits.
    #[must_use]
    pub fn new(id: &Id) -> Self {
        let transaction = id.clone();
        let mut sink = None;
        let entries = Aside::new(move |entry| {
            sink.get_or_insert_with(|| Sink::open(&transaction))
                .write(&entry);
        });
        Self {
            id: id.clone(),
            entries,
        }
    }

    /// Writes `notice`, which was announced in the state called `state`.
    pub fn write(&self, state: &'static str, notice: &Notice) {
        self.entries.hand(Entry::new(&self.id, state, notice));
    }
}

/// Where entries go.
enum Sink {
    Journal(JournalLog),
    Syslog,
    Nowhere,
}

impl Sink {
    fn open(id: &Id) -> Self {
        if let Ok(journal) = JournalLog::empty() {
            return Self::Journal(
                journal
                    .with_syslog_identifier(IDENTIFIER.to_owned())
                    .with_extra_fields([(TRANSACTION, id.as_str())]),
            );
        }
        let opened = || openlog(Some(c"safe-apply"), LogFlags::LOG_PID, Facility::LOG_DAEMON);
        if Path::new(SYSLOG_SOCKET).exists() && opened().is_ok() {
            return Self::Syslog;
        }
        Self::Nowhere
    }

    /// Writes as far as somebody takes it: there is nobody to tell of a failure.
    fn write(&self, entry: &Entry) {
        match self {
            Self::Journal(journal) => {
                let fields = [
                    ("MESSAGE_ID", entry.message_id),
                    (EVENT, entry.event),
                    (STATE, entry.state),
                ];
                let _ = journal.journal_send(
                    &Record::builder()
                        .level(entry.level)
                        .target(IDENTIFIER)
                        .args(format_args!("{}", entry.message))
                        .key_values(&fields)
                        .build(),
                );
            }
            Self::Syslog => {
                let priority = Priority::new(severity(entry.level), Facility::LOG_DAEMON);
                for line in entry.message.lines() {
                    let _ = syslog(priority, line);
                }
            }
            Self::Nowhere => {}
        }
    }
}

/// The severity that the journal's library makes of this level.
const fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::LOG_ERR,
        Level::Warn => Severity::LOG_WARNING,
        Level::Info => Severity::LOG_NOTICE,
        Level::Debug => Severity::LOG_INFO,
        Level::Trace => Severity::LOG_DEBUG,
    }
}
