//! A login that stays: one shell, one command after the other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::Output;
use super::command::PATIENCE;

/// Ends what a command prints.
const MARK: &str = "~~end of output~~";

/// A shell on the server behind one connection.
#[derive(Debug)]
pub struct Session {
    child: Child,
    lines: Receiver<String>,
}

impl Session {
    /// Logs in and waits for the shell.
    #[track_caller]
    pub fn open(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut session = Self { child, lines };
        session.run("true").exits(0);
        session
    }

    /// Runs one command; what it prints on standard error is part of the output.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Output {
        let line = format!("{{ {command}\n}} </dev/null 2>&1; printf '\\n{MARK}%s\\n' $?\n");
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.flush().unwrap();
        let mut out = String::new();
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("the session died or hangs in {command}: {out}"));
            if let Some(code) = line.strip_prefix(MARK) {
                let code = code.parse().unwrap();
                return Output {
                    code,
                    out,
                    err: String::new(),
                };
            }
            out += &line;
            out += "\n";
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
