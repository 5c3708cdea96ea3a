//! Where a transaction stands, and why it did not commit.

#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;

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
    /// The rehearsal predicts harm; nothing was touched.
    Rehearsal,
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
            Self::Rehearsal => "refused after the rehearsal",
        })
    }
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
