//! The serial line over which the machine takes scripts: see `agent.sh`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::Output;

const READY: &str = "<<ready ";
const END: &str = "<<end ";

/// The machine's side of the line.
#[derive(Debug)]
pub struct Agent {
    stream: UnixStream,
    lines: Receiver<String>,
    scripts: u32,
}

impl Agent {
    /// Listens to a machine.
    pub fn new(stream: UnixStream) -> Self {
        let (sender, lines) = channel();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        thread::spawn(move || {
            let mut line = Vec::new();
            // A line that a power cut has torn need not be UTF-8.
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Self {
            stream,
            lines,
            scripts: 0,
        }
    }

    /// The next line, if one comes in time.
    pub fn line(&self, until: Instant) -> Option<String> {
        let left = until.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).ok()
    }

    /// Waits until the machine has booted; what it said before.
    pub fn ready(&self, patience: Duration) -> Result<Vec<String>, Vec<String>> {
        let until = Instant::now() + patience;
        let mut before = Vec::new();
        while let Some(line) = self.line(until) {
            if line.starts_with(READY) {
                return Ok(before);
            }
            before.push(line);
        }
        Err(before)
    }

    /// Hands over a script and does not wait.
    pub fn start(&mut self, script: &str) {
        self.scripts += 1;
        let lines = script.lines().count();
        let text: String = script.lines().map(|line| format!("{line}\n")).collect();
        let message = format!("run {} {lines}\n{text}", self.scripts);
        self.stream.write_all(message.as_bytes()).unwrap();
    }

    /// Whether `line` tells that the script has ended, and with what status.
    pub fn ended(&self, line: &str) -> Option<i32> {
        let (number, status) = line.strip_prefix(END)?.split_once(' ')?;
        (number.parse() == Ok(self.scripts)).then(|| status.parse().unwrap())
    }

    /// Runs a script to its end.
    #[track_caller]
    pub fn run(&mut self, script: &str, patience: Duration) -> Output {
        self.start(script);
        let until = Instant::now() + patience;
        let mut out = String::new();
        loop {
            let Some(line) = self.line(until) else {
                panic!("the machine does not end: {script}\nit has said:\n{out}");
            };
            if let Some(code) = self.ended(&line) {
                // The line feed in front of it.
                let out = out.strip_suffix('\n').unwrap_or(&out).to_owned();
                let err = String::new();
                return Output { code, out, err };
            }
            out.push_str(&line);
            out.push('\n');
        }
    }
}
