//! Ending the command of `run` with everything it has started.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::transaction::Id;

/// Marks the command and its children in their environment.
pub const MARKER: &str = "SAFE_APPLY_COMMAND_OF";
/// Rounds of looking for processes; each ends all it finds, so more are only
/// needed for those forked in between.
const ROUNDS_MAX: usize = 50;

/// Kills what carries the marker of `id`, and what descends from `client`.
pub fn stop_command(id: &Id, client: Option<i32>) {
    for _ in 0..ROUNDS_MAX {
        let found = processes_of(id, client);
        if found.is_empty() {
            return;
        }
        for pid in found {
            // One that is gone already is what we want.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn processes_of(id: &Id, client: Option<i32>) -> Vec<Pid> {
    let marker = format!("{MARKER}={id}");
    let parents = parents();
    parents
        .keys()
        .filter(|pid| **pid != getpid().as_raw_pid())
        .filter(|pid| {
            carries(**pid, &marker)
                || client.is_some_and(|client| descends(**pid, client, &parents))
        })
        .filter_map(|pid| Pid::from_raw(*pid))
        .collect()
}

fn carries(pid: i32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
        environ
            .split(|byte| *byte == 0)
            .any(|entry| entry == marker.as_bytes())
    })
}

fn descends(pid: i32, ancestor: i32, parents: &BTreeMap<i32, i32>) -> bool {
    let mut at = pid;
    for _ in 0..parents.len() {
        match parents.get(&at) {
            Some(parent) if *parent == ancestor => return true,
            Some(parent) => at = *parent,
            None => return false,
        }
    }
    false
}

/// The parent of every process that is not a zombie (`/proc/PID/stat`, `proc(5)`).
fn parents() -> BTreeMap<i32, i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name may hold spaces and parentheses; the last one ends it.
            let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            (state != "Z").then_some((pid, parent))
        })
        .collect()
}
