//! Running commands to their end, and waiting for things to become true.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing in the lab takes as long on a machine that works.
pub const PATIENCE: Duration = Duration::from_secs(25);
/// How often a condition is looked at that tells nobody when it changes.
const POLL: Duration = Duration::from_millis(20);

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status; 128 and the signal's number when it was killed.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Output {
    /// Standard output and standard error.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Insists on an exit status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    /// Insists that the command said something.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.all().contains(text), "no {text:?} in:\n{}", self.all());
        self
    }
}

/// Runs a command to its end. What it prints goes through files, so that a background
/// process which inherits them holds nobody up.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    run_reading(command, Stdio::null())
}

/// The same with something to read on standard input.
#[track_caller]
pub fn run_reading(command: &mut Command, input: impl Into<Stdio>) -> Output {
    let [out, err] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    let mut child = command
        .stdin(input)
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("{command:?} hangs\n{}{}", text(out), text(err));
        }
        thread::sleep(Duration::from_millis(2));
    };
    Output {
        code: code(status),
        out: text(out),
        err: text(err),
    }
}

/// The exit status as a shell has it.
pub fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// All that was written to a file that is open for reading and writing.
pub fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until a condition holds for which no event exists.
#[track_caller]
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(comes_true(holds), "never came true: {what}");
}

/// Waits until a condition holds; whether it did.
pub fn comes_true(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
