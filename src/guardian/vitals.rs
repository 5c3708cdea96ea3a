//! Signs of life for systemd (`sd_notify(3)`): the watchdog learns that the event loop turns,
//! `systemctl status` what the transaction waits for.
//!
//! The messages go out on a thread of their own: a systemd that does not read them must not
//! hold up the event loop. Without systemd nothing is sent.

mod line;

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

use crate::aside::Aside;
use crate::transaction::State;

/// How long one piece of blocking work may take (a restore with tools that wait for their deadlines, a
/// hook) before systemd takes the guardian for dead.
const WORK_MAX: Duration = Duration::from_secs(600);
/// Signs of life per watchdog period (`sd_watchdog_enabled(3)` asks for two).
const SIGNS_PER_PERIOD: u32 = 3;
/// How often to wake where no watchdog waits and nothing is counted down.
const SELDOM: Duration = Duration::from_secs(60);

/// What systemd is told.
#[derive(Debug)]
enum Word {
    Ready,
    Alive,
    Status(String),
    /// How long the watchdog is to wait for the next sign of life.
    Watchdog(Duration),
    /// How long a stop that waits is to go on waiting, at least.
    Patience(Duration),
}

/// What there is to tell of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub state: State,
    /// The end of the countdown, in milliseconds of `CLOCK_BOOTTIME`, while it runs.
    pub deadline_ms: Option<u64>,
    /// The line to type.
    pub confirm: String,
}

/// The way to the service manager.
#[derive(Debug)]
pub struct Vitals {
    manager: Option<Aside<Vec<Word>>>,
    watchdog: Option<Duration>,
    sign_due: Instant,
    line_due: Instant,
    told: Option<View>,
}

impl Vitals {
    /// Looks for a service manager in the environment (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).
    #[must_use]
    pub fn new() -> Self {
        let now = Instant::now();
        let managed = std::env::var_os("NOTIFY_SOCKET").is_some();
        Self {
            manager: managed.then(|| Aside::new(|words: Vec<Word>| send(&words))),
            watchdog: sd_notify::watchdog_enabled().filter(|_| managed),
            sign_due: now,
            line_due: now,
            told: None,
        }
    }

    /// Says that the guardian can be talked to.
    pub fn ready(&self) {
        self.tell(vec![Word::Ready]);
    }

    /// When [`Vitals::turn`] is next to be called; without systemd, never.
    pub async fn due(&self) {
        if self.manager.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.sign_due.min(self.line_due)).await;
    }

    /// Called whenever the event loop turns: gives the signs of life that are due.
    pub fn turn(&mut self, view: View, now_ms: u64) {
        if self.manager.is_none() {
            return;
        }
        let now = Instant::now();
        let mut words = Vec::new();
        if now >= self.sign_due {
            words.push(Word::Alive);
            self.sign_due = now
                + self
                    .watchdog
                    .map_or(SELDOM, |period| period / SIGNS_PER_PERIOD);
        }
        if now >= self.line_due || self.told.as_ref() != Some(&view) {
            words.push(Word::Status(line::line(
                &view,
                now_ms,
                chrono::Local::now(),
            )));
            self.line_due = now + line::holds_for(&view, now_ms).unwrap_or(SELDOM);
            self.told = Some(view);
        }
        if !words.is_empty() {
            self.tell(words);
        }
    }

    /// The event loop will stand still for a while, at work on `view`: the watchdog and a
    /// pending stop wait that long.
    pub fn still(&mut self, view: View, now_ms: u64) {
        if self.manager.is_none() {
            return;
        }
        let status = line::line(&view, now_ms, chrono::Local::now());
        let mut words = vec![Word::Patience(WORK_MAX), Word::Status(status)];
        if self.watchdog.is_some() {
            words.push(Word::Watchdog(WORK_MAX));
        }
        self.tell(words);
        self.told = Some(view);
    }

    /// It turns again.
    pub fn turning(&mut self) {
        if let Some(period) = self.watchdog {
            self.tell(vec![Word::Watchdog(period)]);
        }
        self.sign_due = Instant::now();
    }

    fn tell(&self, words: Vec<Word>) {
        if let Some(manager) = &self.manager {
            manager.hand(words);
        }
    }
}

/// Sends `words` in one message. There is nobody else to turn to when that fails.
fn send(words: &[Word]) {
    let micros = |time: &Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    let states: Vec<NotifyState<'_>> = words
        .iter()
        .map(|word| match word {
            Word::Ready => NotifyState::Ready,
            Word::Alive => NotifyState::Watchdog,
            Word::Status(line) => NotifyState::Status(line),
            Word::Watchdog(time) => NotifyState::WatchdogUsec(micros(time)),
            Word::Patience(time) => NotifyState::ExtendTimeoutUsec(micros(time)),
        })
        .collect();
    let _ = sd_notify::notify(&states);
}
