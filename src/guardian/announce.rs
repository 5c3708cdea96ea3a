//! Telling what happens: to whoever watches, to the transaction's event log, to the system's
//! log, and to logins.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tokio::sync::mpsc::UnboundedSender;

use super::core::Core;
use crate::aside::Aside;
use crate::login_notice;
use crate::protocol::{Announcement, Notice};
use crate::system_log::SystemLog;
use crate::transaction::{State, Transaction, clock};

/// Name of the event log in the transaction's directory: one JSON object per line.
pub const LOG: &str = "events.jsonl";

impl Core {
    /// Brings what logins are told to where the transaction stands.
    pub fn tell_logins(&self) {
        login_notice::publish(
            &self.paths,
            &self.transaction,
            &self.meta,
            &self.state,
            self.deadline_ms,
        );
    }
}

/// Sends notices to watchers and keeps them for those who come later.
#[derive(Debug)]
pub struct Announcer {
    transaction: Transaction,
    /// The event log, which is on a disk that may hang.
    log: Aside<String>,
    lines: Vec<String>,
    watchers: Vec<UnboundedSender<String>>,
    system_log: SystemLog,
    state: &'static str,
}

impl Announcer {
    /// Goes on with what an earlier guardian has announced.
    #[must_use]
    pub fn new(transaction: &Transaction, state: &State) -> Self {
        let path = transaction.file(LOG);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        Self {
            transaction: transaction.clone(),
            log: Aside::new(move |line: String| write(&path, &line)),
            lines: before.lines().map(str::to_owned).collect(),
            watchers: Vec::new(),
            system_log: SystemLog::new(&transaction.id),
            state: state.name(),
        }
    }

    /// What is announced from now on happens in `state`.
    pub const fn enter(&mut self, state: &State) {
        self.state = state.name();
    }

    /// Announces `notice`. A full disk or a watcher that is gone does not matter.
    pub fn say(&mut self, notice: Notice) {
        self.system_log.write(self.state, &notice);
        let announcement = Announcement {
            transaction: self.transaction.id.clone(),
            time: clock::timestamp(),
            notice,
        };
        let Ok(line) = serde_json::to_string(&announcement) else {
            return;
        };
        self.log.hand(line.clone());
        self.watchers
            .retain(|watcher| watcher.send(line.clone()).is_ok());
        self.lines.push(line);
    }

    /// Sends everything so far, and from now on what comes, to `watcher`.
    pub fn add(&mut self, watcher: UnboundedSender<String>) {
        for line in &self.lines {
            if watcher.send(line.clone()).is_err() {
                return;
            }
        }
        self.watchers.push(watcher);
    }
}

/// Appends `line` to the event log at `path`; a full disk costs the line.
fn write(path: &Path, line: &str) {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    if let Ok(mut log) = log {
        let _ = writeln!(log, "{line}");
    }
}
