//! Ending the command of `run` with everything it has started.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};

use crate::transaction::{Id, Meta};

/// Marks the command and its children in their environment.
pub const MARKER: &str = "SAFE_APPLY_COMMAND_OF";
/// Rounds of looking for processes; each ends all it finds, so more are only
/// needed for those forked in between.
const ROUNDS_MAX: usize = 50;
/// How long a killed process may take to leave the kernel, where it may be changing rules.
const END_MAX: Duration = Duration::from_millis(200);

/// Whether the process that started the transaction is still there, and not another one
/// under its number.
pub fn is_client(meta: &Meta) -> bool {
    fs::read(format!("/proc/{}/cmdline", meta.client_pid)).is_ok_and(|line| {
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        let words = words.strip_suffix(&[&b""[..]]).unwrap_or(&words);
        let words: Vec<_> = words
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        words.join(" ") == meta.command_line
    })
}

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
            wait_for_end(pid, END_MAX);
        }
    }
}

/// Waits for the end of a process that was killed, within reason.
fn wait_for_end(pid: Pid, within: Duration) {
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    // One that hangs in the kernel is not waited for any longer.
    let _ = poll(&mut fds, Timespec::try_from(within).ok().as_ref());
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
