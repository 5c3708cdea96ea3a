//! The server's processes, seen from outside.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::{Lab, eventually};

/// One process on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number as seen from here.
    pub pid: i32,
    /// Its number on the server.
    pub inner: i32,
    /// Its command line, joined by spaces; empty for a zombie.
    pub line: String,
}

impl Process {
    /// Sends a signal; a process that is gone already is fine.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_raw(self.pid).unwrap(), signal);
    }
}

impl Process {
    /// Waits until it has let go of all that it held: the kernel closes files, and with them
    /// drops locks, before a process becomes a zombie.
    pub fn ends(&self) {
        let state = || fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok();
        eventually("a killed process is dead", || {
            state().is_none_or(|stat| stat.contains(") Z ") || stat.contains(") X "))
        });
    }
}

impl Lab {
    /// All processes of the server that are alive.
    pub fn processes(&self) -> Vec<Process> {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let ours = namespace(&self.init.to_string());
        let mut found: Vec<_> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.parse::<i32>().is_ok() && namespace(name) == ours)
            .filter_map(|name| read(&name))
            .filter(|process| !process.line.is_empty())
            .collect();
        found.sort_by_key(|process| process.inner);
        found
    }

    /// The processes of safe-apply: clients, guardian, successor.
    pub fn safe_apply(&self) -> Vec<Process> {
        let mut all = self.processes();
        all.retain(|process| {
            let program = process.line.split(' ').next().unwrap_or_default();
            program.ends_with("safe-apply") || program == "/proc/self/exe"
        });
        all
    }

    /// The client that waits in front of a user.
    #[track_caller]
    pub fn client_process(&self) -> Process {
        let mut clients = self.safe_apply();
        clients.retain(|process| !process.line.contains(" __"));
        assert_eq!(clients.len(), 1, "{clients:#?}");
        clients.remove(0)
    }

    /// A process of the server by the number that it has there.
    #[track_caller]
    pub fn process(&self, inner: i64) -> Process {
        let mut all = self.processes();
        all.retain(|process| i64::from(process.inner) == inner);
        assert_eq!(all.len(), 1, "no process {inner} on the server");
        all.remove(0)
    }

    /// Kills every process of safe-apply at once, and waits until they are gone.
    pub fn kill_safe_apply(&self) {
        eventually("all of safe-apply is dead", || {
            let alive = self.safe_apply();
            alive
                .iter()
                .for_each(|process| process.signal(Signal::KILL));
            alive.iter().for_each(Process::ends);
            alive.is_empty()
        });
    }
}

fn read(pid: &str) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(Process {
        pid: pid.parse().ok()?,
        inner: numbers.split_whitespace().last()?.parse().ok()?,
        line: line.trim_end_matches('\0').replace('\0', " "),
    })
}

/// The one child of a process.
pub fn only_child(parent: u32) -> i32 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.trim().parse().expect("one child")
}
