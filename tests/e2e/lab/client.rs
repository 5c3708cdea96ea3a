//! A `safe-apply --json` that runs, and the events it prints.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::{PATIENCE, code, text};

/// A client of a transaction.
#[derive(Debug)]
pub struct Client {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
    err: File,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub events: Vec<Value>,
    pub err: String,
}

impl Client {
    /// Starts the command.
    pub fn start(command: &mut Command) -> Self {
        let err = tempfile::tempfile().unwrap();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(err.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            err,
        }
    }

    /// Waits for an event; fails when the output ends before it comes.
    #[track_caller]
    pub fn wait(&mut self, event: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.next(until) {
                Some(value) if value["event"] == event => return value,
                Some(_) => {}
                None => {
                    let _ = self.child.kill();
                    let err = text(self.err.try_clone().unwrap());
                    panic!("no event {event:?}; seen: {:#?}\nstderr: {err}", self.seen);
                }
            }
        }
    }

    /// Whether the program has printed an event already; does not wait.
    pub fn has_seen(&mut self, event: &str) -> bool {
        while self.next(Instant::now()).is_some() {}
        self.seen.iter().any(|value| value["event"] == event)
    }

    #[track_caller]
    fn next(&mut self, until: Instant) -> Option<Value> {
        let left = until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                let value: Value = serde_json::from_str(line.trim_end())
                    .unwrap_or_else(|error| panic!("not an event: {line:?}: {error}"));
                assert!(value["event"].is_string(), "no event in {line}");
                self.seen.push(value.clone());
                Some(value)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Types on its terminal.
    pub fn types(&mut self, keys: &[u8]) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys).unwrap();
        stdin.flush().unwrap();
    }

    /// Kills the process on this side (for a login: the ssh client) without a word.
    pub fn cut(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub fn ends(mut self) -> Ended {
        let until = Instant::now() + PATIENCE;
        while self.next(until).is_some() {}
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                let err = text(self.err.try_clone().unwrap());
                return Ended {
                    code: code(status),
                    events: self.seen,
                    err,
                };
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        panic!("it does not end; events: {:#?}", self.seen);
    }
}

impl Ended {
    /// Insists on an exit status, and on the one event that tells the outcome.
    #[track_caller]
    pub fn with(self, code: i32, outcome: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.outcome()["event"], outcome, "{self:#?}");
        self
    }

    /// The event that tells the outcome; there is exactly one.
    #[track_caller]
    pub fn outcome(&self) -> &Value {
        let outcomes = ["committed", "rolled_back", "restore_failed", "failed"];
        let is_outcome = |value: &&Value| outcomes.iter().any(|&name| value["event"] == name);
        let mut found = self.events.iter().filter(is_outcome);
        let outcome = found
            .next()
            .unwrap_or_else(|| panic!("no outcome: {self:#?}"));
        assert!(found.next().is_none(), "two outcomes: {self:#?}");
        outcome
    }

    /// The events of one kind.
    pub fn all(&self, event: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|value| value["event"] == event)
            .collect()
    }
}
