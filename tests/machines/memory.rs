//! A real out-of-memory kill: a memory cgroup with a limit, in which a process fills what is left.

use std::fs;
use std::process::{Command, Stdio};

use crate::lab::{Cgroup, comes_true, unified};

const LIMIT_BYTES: u32 = 64 << 20;

/// Makes the kernel kill a process of this machine's for want of memory.
///
/// It is made the one that the kernel picks first: its own wish to be spared (`oom_score_adj`
/// -1000) is granted on some hosts and would hide what is tested.
#[track_caller]
pub fn run_out(pid: i32) {
    let cgroup = Cgroup::for_memory();
    // cgroups(7): the names in version 2 and in version 1.
    let (limit, events) = if unified() {
        ("memory.max", "memory.events")
    } else {
        ("memory.limit_in_bytes", "memory.oom_control")
    };
    fs::write(cgroup.path().join(limit), LIMIT_BYTES.to_string()).unwrap();
    fs::write(cgroup.path().join("cgroup.procs"), pid.to_string()).unwrap();
    fs::write(format!("/proc/{pid}/oom_score_adj"), "1000").unwrap();
    let mut filling = Command::new("sh")
        .args(["-c", "echo 0 >\"$0/cgroup.procs\" && exec tail /dev/zero"])
        .arg(cgroup.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ended = comes_true(|| filling.try_wait().unwrap().is_some());
    let _ = filling.kill();
    let _ = filling.wait();
    assert!(ended, "the memory never ran out");
    let events = fs::read_to_string(cgroup.path().join(events)).unwrap();
    // The one that was put in, then the one that fills it.
    assert!(
        events.lines().any(|line| line == "oom_kill 2"),
        "kills for memory: {events}"
    );
}
