//! Work that may block, on a thread of its own: who hands it over never waits for it.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// How many items wait at most; what comes beyond that is lost.
const WAITING_MAX: usize = 256;
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
            drop(end);
        });
        Self {
            items: Some(items),
            ended,
        }
    }

    /// Hands `item` over; it is lost where too many wait.
    pub fn hand(&self, item: T) {
        if let Some(items) = &self.items {
            let _ = items.try_send(item);
        }
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        drop(self.items.take());
        // It says nothing: it only ends, or hangs.
        let _ = self.ended.recv_timeout(FINISH_MAX);
    }
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
        (0..100).for_each(|item| aside.hand(item));
        drop(aside);
        assert_eq!(*done.lock().unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn one_that_hangs_holds_nobody_up() {
        let (let_go, held) = channel::<()>();
        let aside = Aside::new(move |_: usize| {
            let _ = held.recv();
        });
        (0..WAITING_MAX * 3).for_each(|item| aside.hand(item));
        // Without the deadline this would never return: nobody lets go.
        drop(aside);
        drop(let_go);
    }
}
