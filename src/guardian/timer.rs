//! A timer on `CLOCK_BOOTTIME`: time suspended counts, jumps of the wall clock do not.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::transaction::clock;

/// Rings once at a set moment.
#[derive(Debug)]
pub struct Timer {
    fd: Arc<OwnedFd>,
    at_ms: Option<u64>,
}

impl Timer {
    /// A timer that is not set; `ring` is called on a thread of its own, until it says `false`.
    ///
    /// # Errors
    /// What `timerfd_create(2)` says.
    pub fn new(ring: impl Fn() -> bool + Send + 'static) -> std::io::Result<Self> {
        let fd = Arc::new(timerfd_create(
            TimerfdClockId::Boottime,
            TimerfdFlags::CLOEXEC,
        )?);
        let rings = Arc::clone(&fd);
        std::thread::Builder::new().spawn(move || {
            let mut count = [0_u8; 8];
            loop {
                match rustix::io::read(&rings, &mut count) {
                    Ok(_) if ring() => {}
                    Err(rustix::io::Errno::INTR) => {}
                    Ok(_) | Err(_) => return,
                }
            }
        })?;
        Ok(Self { fd, at_ms: None })
    }

    /// Rings at `at_ms` milliseconds of `CLOCK_BOOTTIME`; never, for `None`.
    ///
    /// # Errors
    /// What `timerfd_settime(2)` says.
    pub fn set(&mut self, at_ms: Option<u64>) -> std::io::Result<()> {
        self.at_ms = at_ms;
        // A zero time disarms; a moment in the past rings at once.
        let at_ms = at_ms.map_or(0, |at| at.max(1));
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: i64::try_from(at_ms / 1000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(at_ms % 1000).unwrap_or(0) * 1_000_000,
            },
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Whether the moment it is set to has come; a ring can be older than the last setting.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.at_ms.is_some_and(|at| at <= clock::boottime_ms())
    }
}
