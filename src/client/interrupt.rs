//! Ctrl-C and SIGTERM while a transaction is followed: the guardian is asked for a rollback.

use std::io;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::connection::Connection;
use crate::paths::Paths;
use crate::protocol::Request;
use crate::transaction::Id;

/// How long a guardian that is being replaced is looked for.
const REACH_MAX: Duration = Duration::from_secs(10);
/// Pause between two attempts to reach it.
const REACH_PAUSE: Duration = Duration::from_millis(50);

/// Catches the signals; SIGHUP is left to end this process.
#[derive(Debug)]
pub struct Interrupts {
    signals: Signals,
}

impl Interrupts {
    /// Catches them from now on: none is lost while the guardian is still being started.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            signals: Signals::new([SIGINT, SIGTERM])?,
        })
    }

    /// Forwards those that came and those that come to the guardian of `id`, until the handle is closed.
    pub(super) fn forward(mut self, paths: &Paths, id: &Id) -> Handle {
        let handle = self.signals.handle();
        let paths = paths.clone();
        let request = Request::Rollback {
            id: Some(id.clone()),
        };
        std::thread::spawn(move || {
            for _ in self.signals.forever() {
                let until = Instant::now() + REACH_MAX;
                while !asked(&paths, &request) && Instant::now() < until {
                    std::thread::sleep(REACH_PAUSE);
                }
            }
        });
        handle
    }
}

/// Whether there was a guardian to take the request.
fn asked(paths: &Paths, request: &Request) -> bool {
    match Connection::open(paths) {
        Ok(Some(mut connection)) => {
            connection.send(request).is_ok() && matches!(connection.line(), Ok(Some(_)))
        }
        Ok(None) | Err(_) => false,
    }
}
