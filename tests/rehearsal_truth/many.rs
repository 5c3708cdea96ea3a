//! Many cases side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;

use crate::case::Case;
use crate::session::Front;

/// Cases mostly wait for answers that do not come: more of them at once than cores.
const AT_ONCE: usize = 8;
/// How many failures are printed in full.
const SHOWN: usize = 6;

/// Labs that run now, in all tests of this binary.
static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// A case and how to look at it.
#[derive(Debug, Clone)]
pub struct Job {
    pub case: Case,
    pub front: Front,
    /// Whether predictions about the live rules are looked at as well.
    pub before: bool,
}

/// A place among those that run; given back when dropped.
pub struct Place(());

impl Place {
    /// Waits until fewer than the most run.
    pub fn take() -> Self {
        let mut running = RUNNING.lock().unwrap();
        while *running >= AT_ONCE {
            running = ENDED.wait(running).unwrap();
        }
        *running += 1;
        Self(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

/// What failed.
#[must_use]
#[derive(Debug)]
pub struct Failed(Vec<String>);

impl Failed {
    pub fn none(self) {
        for failure in self.0.iter().take(SHOWN) {
            println!("{failure}\n");
        }
        let first = self.0.iter().filter_map(|failure| failure.lines().next());
        let list: Vec<_> = first.collect();
        assert!(
            list.is_empty(),
            "{} failed:\n{}",
            list.len(),
            list.join("\n")
        );
    }
}

/// Tries all, several at a time.
pub fn try_all<T: Sync>(all: &[T], try_one: impl Fn(&T) -> Result<(), String> + Sync) -> Failed {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _place = Place::take();
                    if let Err(why) = try_one(one) {
                        failed.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    Failed(failed.into_inner().unwrap())
}
