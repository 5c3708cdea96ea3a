//! What safe-apply says about its transactions, and what its journal holds.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::command::comes_true;
use super::{Client, Lab, Process, Saves, assert_same, eventually};

impl Lab {
    /// Starts `safe-apply --json` as root over a connection of its own.
    pub fn apply(&self, arguments: &str) -> Client {
        self.login()
            .start(&format!("safe-apply --json {arguments}"))
    }

    /// Starts `safe-apply run --json` as root over a connection of its own.
    pub fn apply_command(&self, options: &str, command: &str) -> Client {
        self.login()
            .start(&format!("safe-apply run --json {options} -- {command}"))
    }

    /// The pending transaction; `Null` if there is none.
    #[track_caller]
    pub fn pending(&self) -> Value {
        let done = self.server("safe-apply status --json").exits(0);
        let status: Value = serde_json::from_str(&done.out).unwrap();
        status["pending"].clone()
    }

    /// The newest transaction of the history.
    #[track_caller]
    pub fn newest(&self) -> Value {
        let done = self.server("safe-apply history --json").exits(0);
        let history: Vec<Value> = serde_json::from_str(&done.out).unwrap();
        let id = |entry: &&Value| entry["transaction"].as_str().unwrap().to_owned();
        history
            .iter()
            .max_by_key(id)
            .expect("a transaction")
            .clone()
    }

    /// From here on the kernel tells of every commit to nf_tables.
    #[track_caller]
    pub fn watch_commits(&self) {
        self.server("nft monitor >/run/lab/monitor 2>&1 & echo $! >/run/lab/pid")
            .exits(0);
    }

    /// Insists that there was no commit since [`Lab::watch_commits`].
    #[track_caller]
    pub fn no_commit_was_seen(&self) {
        // The kernel tells of them in order: nothing may come before the last one, ours.
        self.server("nft add table inet last").exits(0);
        let monitor = || fs::read_to_string(self.path("monitor")).unwrap();
        eventually("the monitor has seen it", || {
            monitor().contains("inet last")
        });
        let seen = monitor();
        let first = seen
            .lines()
            .find(|line| line.starts_with("add ") || line.starts_with("delete "));
        assert_eq!(first, Some("add table inet last"), "{seen}");
    }

    /// The guardian and its successor.
    #[track_caller]
    pub fn guards(&self) -> (Process, Process) {
        let pending = self.pending();
        let pid = |name: &str| {
            pending[name]
                .as_i64()
                .unwrap_or_else(|| panic!("{pending}"))
        };
        (
            self.process(pid("guardian_pid")),
            self.process(pid("successor_pid")),
        )
    }

    /// Waits until the rules are what they were, without asking safe-apply, whose verbs would
    /// settle what is left over; then the history must say that it was a rollback.
    #[track_caller]
    pub fn comes_back(&self, before: &Saves, reason: &str) {
        comes_true(|| self.rules() == *before);
        assert_same(&self.rules(), before);
        eventually("nothing is pending", || self.pending().is_null());
        assert_same(&self.rules(), before);
        let newest = self.newest();
        assert_eq!(newest["outcome"], "rolled_back", "{newest}");
        assert_eq!(newest["reason"], reason, "{newest}");
    }

    /// The directory of the newest transaction, as seen from here.
    pub fn newest_directory(&self) -> Option<PathBuf> {
        let all = format!("/proc/{}/root/var/lib/safe-apply/transactions", self.init);
        let entries = fs::read_dir(all).ok()?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let born = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.created()).ok();
        paths.filter(|path| path.is_dir()).max_by_key(born)
    }

    /// The state that the newest transaction's journal entered last.
    pub fn journalled(&self) -> Option<String> {
        let journal = fs::read(self.newest_directory()?.join("journal")).ok()?;
        let text = String::from_utf8_lossy(&journal);
        let last = text.lines().rfind(|line| line.contains('{'))?;
        let json: Value = serde_json::from_str(last.split_once(' ')?.1).ok()?;
        Some(json["state"]["name"].as_str()?.to_owned())
    }

    /// Both copies of the newest transaction's journal, as seen from here.
    #[track_caller]
    pub fn journals(&self) -> (PathBuf, PathBuf) {
        let directory = self.newest_directory().expect("a transaction");
        let id = directory.file_name().unwrap().to_str().unwrap();
        let run = format!("/proc/{}/root/run/safe-apply", self.init);
        let mut copies = fs::read_dir(run)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let volatile = copies.find(|path| path.to_string_lossy().contains(&format!("/{id}")));
        (
            directory.join("journal"),
            volatile.expect("a copy of the journal"),
        )
    }
}
