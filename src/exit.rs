//! Exit statuses, as documented in `--help` and the README.

use std::process::ExitCode;

/// What the process tells its caller. A rollback is never success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Committed, or the verb succeeded.
    Success = 0,
    /// Failed; the firewall is as it was.
    Failed = 1,
    /// Wrong usage; nothing was touched.
    Usage = 2,
    /// Rolled back: nobody confirmed in time.
    NotConfirmed = 3,
    /// Rolled back on request (Ctrl-C, SIGTERM, `rollback`).
    RolledBack = 4,
    /// Refused, for example a `confirm` that does not come over a new connection.
    Refused = 5,
    /// Another transaction is pending.
    Pending = 6,
    /// The rollback is incomplete.
    Incomplete = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The status with this number; unknown ones are failures.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Success,
            2 => Self::Usage,
            3 => Self::NotConfirmed,
            4 => Self::RolledBack,
            5 => Self::Refused,
            6 => Self::Pending,
            7 => Self::Incomplete,
            _ => Self::Failed,
        }
    }
}
