//! What the state machine is fed, and what it has its owner do.

use std::time::Duration;

/// What happens to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The checkpoint is proven and durable, the successor in place.
    Ready,
    /// The preparation failed.
    PrepareFailed,
    /// The rehearsal predicts harm.
    RehearsalRefused,
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
