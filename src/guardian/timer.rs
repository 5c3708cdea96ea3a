//! A timer on `CLOCK_BOOTTIME`: time suspended counts, jumps of the wall clock do not.

use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Rings once at a set moment.
#[derive(Debug)]
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// What `timerfd_create(2)` says.
    pub fn new() -> std::io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self {
            fd: AsyncFd::new(fd)?,
        })
    }

    /// Rings at `at_ms` milliseconds of `CLOCK_BOOTTIME`; never, for `None`.
    ///
    /// # Errors
    /// What `timerfd_settime(2)` says.
    pub fn set(&self, at_ms: Option<u64>) -> std::io::Result<()> {
        // A zero time disarms; a moment in the past rings at once.
        let at_ms = at_ms.map_or(0, |at| at.max(1));
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: i64::try_from(at_ms / 1000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(at_ms % 1000).unwrap_or(0) * 1_000_000,
            },
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Waits until it rings.
    pub async fn rings(&self) {
        loop {
            let Ok(mut guard) = self.fd.readable().await else {
                return;
            };
            let mut count = [0_u8; 8];
            let read = guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut count)?));
            if let Ok(Ok(_)) = read {
                return;
            }
        }
    }
}
