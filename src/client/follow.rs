//! Following a transaction to its end.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::bar::Bar;
use super::command::Command;
use super::connection::Connection;
use super::interrupt::Interrupts;
use super::render::{self, Style};
use crate::exit::Exit;
use crate::guardian::detach::LAUNCH_LOG;
use crate::guardian::recover::{Survey, survey};
use crate::protocol::{Announcement, Notice, Reply, Request};
use crate::transaction::{Id, State, Store};

/// How long a successor gets to come up before the client settles the transaction itself.
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// Pause between two attempts to reach the successor.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// How often the client waits for another process that settles the transaction.
const SETTLED_ELSEWHERE_MAX: usize = 24;

/// How a transaction is followed.
#[derive(Debug)]
pub struct Follow {
    /// Which one.
    pub id: Id,
    /// How notices are printed.
    pub style: Style,
    /// Leave once the rules are live.
    pub detach: bool,
    /// What to run when the guardian says so.
    pub command: Option<Command>,
    /// Caught since before the guardian was started.
    pub interrupts: Interrupts,
}

/// Shows what happens until there is an outcome; returns the exit status for it.
///
/// SIGINT and SIGTERM ask the guardian for a rollback; SIGHUP is left to end this process.
///
/// # Errors
/// When neither the guardian nor its records can be read.
pub fn follow(store: &Store, follow: Follow) -> Result<Exit> {
    let mut follower = Follower {
        signals: follow.interrupts.forward(store.paths(), &follow.id),
        id: follow.id,
        style: follow.style,
        detach: follow.detach,
        command: follow.command,
        seen: HashSet::new(),
        bar: Bar::default(),
    };
    let mut settled_elsewhere = 0;
    let mut until = Instant::now() + RECONNECT_MAX;
    loop {
        if let Some(connection) = Connection::open(store.paths())?
            && let Some(exit) = follower.watch(connection)?
        {
            follower.bar.clear();
            return Ok(exit);
        }
        if let Some(exit) = recorded(store, &follower.id) {
            return Ok(follower.end(store, exit));
        }
        if Instant::now() >= until {
            follower.bar.clear();
            if let Some(exit) = orphaned(store, &follower.id)? {
                return Ok(exit);
            }
            settled_elsewhere += 1;
            anyhow::ensure!(
                settled_elsewhere < SETTLED_ELSEWHERE_MAX,
                "another safe-apply is settling transaction {}; see 'safe-apply status'",
                follower.id
            );
            until = Instant::now() + RECONNECT_MAX;
        }
        std::thread::sleep(RECONNECT_PAUSE);
    }
}

struct Follower {
    id: Id,
    style: Style,
    detach: bool,
    command: Option<Command>,
    seen: HashSet<String>,
    bar: Bar,
    signals: signal_hook::iterator::Handle,
}

impl Follower {
    /// Reads notices up to the outcome; `None` when the guardian dies before.
    fn watch(&mut self, mut connection: Connection) -> Result<Option<Exit>> {
        if connection.send(&Request::Watch).is_err() {
            return Ok(None);
        }
        let mut exit = None;
        while let Ok(Some(line)) = connection.line() {
            if !self.seen.insert(line.clone()) {
                continue;
            }
            let Ok(announcement) = serde_json::from_str::<Announcement>(&line) else {
                if let Ok(Reply::Refused { message, .. }) = serde_json::from_str(&line) {
                    super::err(&message);
                    return Ok(Some(Exit::Refused));
                }
                continue;
            };
            if announcement.transaction != self.id {
                // This one has ended, and another has begun.
                return Ok(None);
            }
            self.show(&line, &announcement);
            exit = exit.or_else(|| render::exit(&announcement.notice));
            match &announcement.notice {
                Notice::Live { .. } if self.detach => return Ok(Some(Exit::Success)),
                Notice::Applying { command: true } => {
                    if let Some(command) = self.command.take() {
                        command.run(connection.sender()?);
                    }
                }
                _ => {}
            }
        }
        Ok(exit)
    }

    fn show(&mut self, line: &str, announcement: &Announcement) {
        if self.style == Style::Json {
            super::out(line);
            return;
        }
        if announcement.notice.is_outcome()
            || matches!(announcement.notice, Notice::RollingBack { .. })
        {
            self.bar.clear();
        }
        for line in render::lines(&announcement.transaction, &announcement.notice) {
            self.bar.print(&line);
        }
        if let Notice::Live { deadline_ms, .. } | Notice::Extended { deadline_ms, .. } =
            announcement.notice
            && !self.detach
        {
            self.bar.count_to(deadline_ms);
        }
    }

    /// Shows from the event log what came after the last line that was received.
    fn end(&mut self, store: &Store, exit: Exit) -> Exit {
        let log = store.get(self.id.clone()).file(crate::guardian::LOG);
        for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
            if self.seen.insert(line.to_owned())
                && let Ok(announcement) = serde_json::from_str(line)
            {
                self.show(line, &announcement);
            }
        }
        self.bar.clear();
        exit
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.signals.close();
    }
}

/// The outcome in the journal, once it is final.
fn recorded(store: &Store, id: &Id) -> Option<Exit> {
    let last = store.get(id.clone()).last().ok()??;
    if last.detail.finished {
        of_state(&last.state)
    } else {
        None
    }
}

const fn of_state(state: &State) -> Option<Exit> {
    match state {
        State::Committed => Some(Exit::Success),
        State::RolledBack { reason } => Some(render::rolled_back(*reason)),
        State::RestoreFailed { .. } => Some(Exit::Incomplete),
        State::Abandoned { .. } => Some(Exit::Failed),
        State::Prepared
        | State::Armed
        | State::Applying
        | State::AwaitingConfirm
        | State::RollingBack { .. } => None,
    }
}

/// Guardian and successor are both gone: settles the transaction. `None` when somebody else does.
fn orphaned(store: &Store, id: &Id) -> Result<Option<Exit>> {
    let Survey::Quiet(settled) = survey(store, false)? else {
        return Ok(None);
    };
    super::err("The guardian and its successor are gone; settling the transaction.");
    for one in &settled {
        super::err(&format!("Transaction {}: {}.", one.id, one.message));
    }
    let transaction = store.get(id.clone());
    if transaction.has_begun() {
        return Ok(Some(recorded(store, id).unwrap_or(Exit::Failed)));
    }
    let log = std::fs::read_to_string(transaction.file(LAUNCH_LOG)).unwrap_or_default();
    // Without its directory no guardian that comes late can begin.
    transaction.discard();
    anyhow::bail!(
        "the guardian died before it could begin; the firewall is untouched. {}",
        log.trim()
    )
}
