//! What goes over the control socket: one JSON object per line, in both directions.

use serde::{Deserialize, Serialize};

use crate::rehearsal::report::Report;
use crate::transaction::{Id, Reason};

/// What a client asks of the guardian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Send all notices, from the first one on, until the end.
    Watch,
    /// Where the transaction stands.
    Status,
    /// Keep the new rules.
    Confirm {
        /// The transaction meant; any if not given.
        id: Option<Id>,
        /// Although the connection is not known to be new.
        force: bool,
    },
    /// Restore the checkpoint now.
    Rollback {
        /// The transaction meant; any if not given.
        id: Option<Id>,
    },
    /// Move the deadline.
    Extend {
        /// The transaction meant; any if not given.
        id: Option<Id>,
        /// By how much.
        seconds: u64,
    },
    /// The client has ended the command of `run`.
    CommandEnded {
        /// What was wrong with it, if anything.
        error: Option<String>,
    },
}

/// The guardian's answer to everything but `Watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done {
        /// What was done, and what state the firewall is in.
        message: String,
    },
    /// It was not done.
    Refused {
        /// The exit status for it.
        exit: u8,
        /// Why, what state the firewall is in, what to do.
        message: String,
    },
    /// The answer to `Status`.
    Status(Status),
}

/// Where a pending transaction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The transaction.
    pub transaction: Id,
    /// The state's name, as in the journal.
    pub state: String,
    /// Seconds left to confirm, once the candidate is live.
    pub remaining_seconds: Option<u64>,
    /// Who applied, and from where.
    pub started_by: String,
    /// The line to type on the other side.
    pub confirm: String,
    /// The guardian.
    pub guardian_pid: i32,
    /// Who takes over if it dies; none where systemd does.
    pub successor_pid: Option<i32>,
}

impl Status {
    /// Whether nothing is at stake any more: its guardian is about to end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "committed" | "rolled_back" | "failed")
    }
}

/// One line of the event stream of a transaction (`--json`, `events.jsonl`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The transaction.
    pub transaction: Id,
    /// When (RFC 3339, UTC).
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub notice: Notice,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// The transaction exists; the firewall is untouched.
    Prepared,
    /// Checkpoint and candidate were tried out with real packets; the firewall is untouched.
    Rehearsed {
        /// What was found.
        report: Box<Report>,
        /// Whether the rules are applied whatever was found (`--force`).
        forced: bool,
    },
    /// The way back is proven, durable and guarded; the firewall is untouched.
    Armed,
    /// The candidate is being brought to the kernel.
    Applying {
        /// Whether the client is to run its command now.
        command: bool,
    },
    /// The candidate is live and was read back; the countdown runs.
    Live {
        /// Seconds to confirm.
        deadline_seconds: u64,
        /// The same moment in milliseconds of `CLOCK_BOOTTIME`.
        deadline_ms: u64,
        /// The line to type on the other side.
        confirm: String,
        /// What the candidate changed.
        changes: Vec<String>,
    },
    /// A connection that did not exist before was opened.
    Connection {
        /// From where.
        peer: String,
    },
    /// The deadline was moved.
    Extended {
        /// Seconds to confirm, from now.
        deadline_seconds: u64,
        /// The same moment in milliseconds of `CLOCK_BOOTTIME`.
        deadline_ms: u64,
    },
    /// A confirmation was refused.
    Refused {
        /// Why.
        message: String,
    },
    /// A confirmation was accepted.
    Confirmed {
        /// Who.
        by: String,
        /// From where.
        peer: Option<String>,
        /// Whether it was forced.
        forced: bool,
    },
    /// The new rules stay.
    Committed {
        /// Whether anything was changed at all.
        changed: bool,
    },
    /// The checkpoint is being restored.
    RollingBack {
        /// Why.
        reason: Reason,
        /// The error that led to it.
        error: Option<String>,
    },
    /// The checkpoint was restored and read back.
    RolledBack {
        /// Why.
        reason: Reason,
        /// The error that led to it.
        error: Option<String>,
        /// What others had changed in the tables that were restored.
        drift: Vec<String>,
        /// The files that were brought back, for the change had them loaded at boot.
        #[serde(default)]
        files: Vec<String>,
    },
    /// The checkpoint could not be restored in full.
    RestoreFailed {
        /// What differs from it.
        differences: Vec<String>,
        /// Where it lies.
        checkpoint: String,
    },
    /// Given up before the firewall was touched.
    Failed {
        /// Why.
        error: String,
        /// As in the journal.
        reason: Reason,
    },
    /// Something the user should know.
    Warning {
        /// What.
        message: String,
    },
    /// Others changed tables that the candidate had changed too.
    Drift {
        /// What they changed.
        changes: Vec<String>,
        /// Where their version was saved.
        saved: String,
    },
    /// Rules were written to where they are loaded at boot.
    Persisted {
        /// The file.
        path: String,
        /// What was there before.
        backup: Option<String>,
    },
}

impl Notice {
    /// Nothing about the firewall follows after it.
    #[must_use]
    pub const fn is_outcome(&self) -> bool {
        matches!(
            self,
            Self::Committed { .. }
                | Self::RolledBack { .. }
                | Self::RestoreFailed { .. }
                | Self::Failed { .. }
        )
    }
}
