//! The command of `run`: has the terminal, is marked so that all of it can be found again.

use std::ffi::OsString;

use rustix::process::{getpid, set_child_subreaper};

use super::connection::Sender;
use crate::exec::describe;
use crate::guardian::MARKER;
use crate::protocol::Request;
use crate::transaction::Id;

/// What to run.
#[derive(Debug)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// The transaction that it belongs to.
    pub id: Id,
}

impl Command {
    /// Runs it beside the thread that shows notices, and tells the guardian how it ended.
    pub fn run(self, mut sender: Sender) {
        // What its children leave behind stays below this process, where it is found.
        let _ = set_child_subreaper(Some(getpid()));
        std::thread::spawn(move || {
            let error = self.wait();
            sender.send(&Request::CommandEnded { error });
        });
    }

    fn wait(&self) -> Option<String> {
        let (program, args) = self.words.split_first()?;
        let name = program.to_string_lossy();
        let status = std::process::Command::new(program)
            .args(args)
            .env(MARKER, self.id.as_str())
            .status();
        match status {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!(
                "the command '{name}' failed ({})",
                describe(status)
            )),
            Err(error) => Some(format!(
                "the command '{name}' could not be started: {error}"
            )),
        }
    }
}
