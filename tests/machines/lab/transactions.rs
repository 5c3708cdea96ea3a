//! What safe-apply says about its transactions, and the processes behind them.

use std::fs;

use serde_json::Value;

use super::command::eventually;
use super::machine::Machine;

impl Machine {
    /// The pending transaction; `Null` if there is none.
    #[track_caller]
    pub fn pending(&self) -> Value {
        let done = self.exec("safe-apply status --json").exits(0);
        let status: Value = serde_json::from_str(&done.out).unwrap();
        status["pending"].clone()
    }

    /// The newest transaction of the history.
    #[track_caller]
    pub fn newest(&self) -> Value {
        let done = self.exec("safe-apply history --json").exits(0);
        let history: Vec<Value> = serde_json::from_str(&done.out).unwrap();
        let id = |entry: &&Value| entry["transaction"].as_str().unwrap().to_owned();
        let newest = history.iter().max_by_key(id);
        newest.expect("a transaction").clone()
    }

    /// Insists that nothing is pending and that the newest transaction ended so.
    #[track_caller]
    pub fn ended_with(&self, outcome: &str, reason: &str) {
        assert!(self.pending().is_null(), "{}", self.pending());
        let newest = self.newest();
        assert_eq!(newest["outcome"], outcome, "{newest}");
        assert_eq!(newest["reason"].as_str().unwrap_or(""), reason, "{newest}");
    }

    /// The guardian of the pending transaction, by its number on the machine.
    #[track_caller]
    pub fn guardian(&self) -> i64 {
        let pending = self.pending();
        let pid = pending["guardian_pid"].as_i64();
        pid.unwrap_or_else(|| panic!("no guardian: {pending}"))
    }

    /// Waits until another guardian than `dead` is at work, and the countdown goes on.
    #[track_caller]
    pub fn taken_over_from(&self, dead: i64) {
        eventually("somebody has taken over", || {
            let pending = self.pending();
            let waits = pending["state"] == "awaiting_confirm";
            waits && pending["guardian_pid"].as_i64() != Some(dead)
        });
    }

    /// The unit of the one guardian that runs.
    #[track_caller]
    pub fn guardian_unit(&self) -> String {
        let list = "systemctl list-units --plain --no-legend --state=active 'safe-apply-guardian*'";
        let units = self.exec(list).exits(0).out;
        let mut names = units.lines().filter_map(|line| line.split(' ').next());
        let unit = names.next().expect("a guardian runs as a unit").to_owned();
        assert_eq!(names.next(), None, "{units}");
        unit
    }

    /// The number that a process of the machine's has here.
    #[track_caller]
    pub fn outer_pid(&self, inner: i64) -> i32 {
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let machines = namespace(&self.leader().to_string());
        let found = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.parse::<i32>().is_ok() && namespace(name) == machines)
            .find(|name| inner_pid(name) == Some(inner));
        let pid = found.unwrap_or_else(|| panic!("no process {inner} on the machine"));
        pid.parse().unwrap()
    }
}

/// A process's number in the innermost PID namespace (`NSpid`, proc(5)).
fn inner_pid(pid: &str) -> Option<i64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}
