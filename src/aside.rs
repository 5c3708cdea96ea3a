//! Work that may block, on a thread of its own: who hands it over does not wait for it, or not
//! for long.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// How many items wait at most; what comes beyond that is lost.
const WAITING_MAX: usize = 256;
/// How long a disk has for what nothing goes on without.
pub const DISK_MAX: Duration = Duration::from_secs(15);
/// How long it has for what can be done without.
pub const DISK_BRIEF_MAX: Duration = Duration::from_secs(2);
/// How long the last items may take when the owner goes.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// A thread that deals with items one after the other.
#[derive(Debug)]
pub struct Aside<T> {
    items: Option<SyncSender<T>>,
    ended: Receiver<()>,
}

impl<T: Send + 'static> Aside<T> {
    /// Starts the thread; `attend` may block as long as it likes.
    #[must_use]
    pub fn new(mut attend: impl FnMut(T) + Send + 'static) -> Self {
        let (items, waiting) = sync_channel(WAITING_MAX);
        let (end, ended) = channel::<()>();
        // Where no thread can be had, the items are lost.
        let _ = thread::Builder::new().spawn(move || {
            waiting.into_iter().for_each(&mut attend);
            // What it holds is let go before anybody hears of the end.
            drop(attend);
            drop(end);
        });
        Self {
            items: Some(items),
            ended,
        }
    }

    /// Hands `item` over; says whether it will be dealt with: it is lost where too many wait.
    pub fn hand(&self, item: T) -> bool {
        let items = self.items.as_ref();
        items.is_some_and(|items| items.try_send(item).is_ok())
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        drop(self.items.take());
        // It says nothing: it only ends, or hangs.
        let _ = self.ended.recv_timeout(FINISH_MAX);
    }
}

/// Does `work` on a thread of its own and waits for it until `limit` has passed. It goes on after
/// that: a call into a file system that hangs cannot be taken back.
///
/// # Errors
/// `TimedOut` when it has not come to an end by then; what the kernel says when there is no thread.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (answer, answered) = sync_channel(1);
    thread::Builder::new().spawn(move || {
        // Nobody listens once the time is up.
        let _ = answer.send(work());
    })?;
    answered.recv_timeout(limit).map_err(|_| overdue(limit))
}

/// What is said of a disk that does not answer.
#[must_use]
pub fn overdue(limit: Duration) -> io::Error {
    let seconds = limit.as_secs();
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("the disk has not answered for {seconds} seconds"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn what_was_handed_over_is_done_before_it_goes() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&done);
        let aside = Aside::new(move |item| to.lock().unwrap().push(item));
        assert!((0..100).all(|item| aside.hand(item)));
        drop(aside);
        assert_eq!(*done.lock().unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn one_that_hangs_holds_nobody_up() {
        let (let_go, held) = channel::<()>();
        let aside = Aside::new(move |_: usize| {
            let _ = held.recv();
        });
        let taken = (0..WAITING_MAX * 3)
            .filter(|item| aside.hand(*item))
            .count();
        assert!(taken <= WAITING_MAX + 1, "{taken}");
        // Without the deadline this would never return: nobody lets go.
        drop(aside);
        drop(let_go);
    }

    #[test]
    fn what_takes_too_long_is_not_waited_for() {
        assert_eq!(within(Duration::from_secs(60), || 7).unwrap(), 7);
        let (let_go, held) = channel::<()>();
        let late = within(Duration::from_millis(1), move || held.recv());
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(let_go);
    }
}
