//! Faults around a guardian: the rules from before come back each time.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use safe_apply::exec::Run;
use safe_apply::netns::NetNs;

const BEFORE: &str = "table inet base { chain in { type filter hook input priority 0; policy accept; tcp dport 22 accept; }; }";
const AFTER: &str = "flush ruleset\ntable inet base { chain in { type filter hook input priority 0; policy drop; }; }\n";
/// Far longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn nft(args: &[&str], input: &str) -> String {
    let run = Run::tool("nft").unwrap().args(args).stdin(input);
    String::from_utf8(run.success().unwrap()).unwrap()
}

fn rules() -> String {
    nft(&["-s", "list", "ruleset"], "")
}

fn safe_apply(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safe-apply"));
    command
        .args(args)
        .env("SAFE_APPLY_STATE_DIR", dir.join("state"))
        .env("SAFE_APPLY_RUN_DIR", dir.join("run"))
        .env("SAFE_APPLY_CONFIG", dir.join("none.toml"))
        .env("SAFE_APPLY_ROOT", dir)
        .env("XTABLES_LOCKFILE", dir.join("xtables.lock"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn until(what: &str, reached: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < end, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn guardian(dir: &Path) -> Option<i64> {
    let text = fs::read_to_string(dir.join("run/guardian.json")).ok()?;
    let pids: serde_json::Value = serde_json::from_str(&text).ok()?;
    pids["guardian"].as_i64()
}

fn kill_guardian(dir: &Path) {
    let pid = i32::try_from(guardian(dir).unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// In a namespace with [`BEFORE`]: `fault` strikes when the rules of `args` are live (they
/// have `sign` in them); returns the client's exit status once the old rules are back.
fn with_fault(args: &[&str], sign: &str, fault: impl FnOnce(&Path) + Send) -> i32 {
    let namespace = NetNs::scratch().unwrap();
    let strike = || {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("after.nft"), AFTER).unwrap();
        nft(&["-f", "-"], BEFORE);
        let before = rules();
        let file = dir.path().join("after.nft");
        let args: Vec<&str> = args
            .iter()
            .map(|arg| {
                if *arg == "FILE" {
                    file.to_str().unwrap()
                } else {
                    arg
                }
            })
            .collect();
        let mut client: Child = safe_apply(dir.path(), &args).spawn().unwrap();
        until("the new rules", || rules().contains(sign));
        fault(dir.path());
        let status = client.wait().unwrap().code().unwrap();
        until("the old rules", || rules() == before);
        let pending = safe_apply(dir.path(), &["status"]).status().unwrap();
        assert!(pending.success());
        assert_eq!(rules(), before);
        status
    };
    namespace.enter(strike).unwrap()
}

#[test]
fn a_run_directory_that_is_gone_with_the_guardian() {
    let status = with_fault(&["FILE", "-t", "4"], "policy drop", |dir| {
        let pid = guardian(dir).unwrap();
        fs::remove_dir_all(dir.join("run")).unwrap();
        let pid = i32::try_from(pid).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    });
    assert_eq!(status, 3);
}

#[test]
fn a_run_directory_that_is_gone_makes_no_second_owner() {
    let status = with_fault(&["FILE", "-t", "30"], "policy drop", |dir| {
        fs::remove_dir_all(dir.join("run")).unwrap();
        let status = safe_apply(dir, &["status"]).status().unwrap();
        assert!(status.success(), "the guardian has made its socket anew");
        assert!(
            rules().contains("policy drop"),
            "nobody settled what has an owner"
        );
        let rolled_back = safe_apply(dir, &["rollback"]).status().unwrap();
        assert!(rolled_back.success());
    });
    assert_eq!(status, 4);
}

#[test]
fn a_command_that_hides_from_a_new_guardian() {
    let command = "/usr/sbin/nft add table ip now; read never; /usr/sbin/nft add table ip late";
    let hidden = format!("exec < <(sleep 3); {command}");
    let args = [
        "run",
        "-t",
        "60",
        "--",
        "env",
        "-i",
        "/bin/bash",
        "-c",
        &hidden,
    ];
    let status = with_fault(&args, "table ip now", kill_guardian);
    assert_eq!(status, 3);
    let survives = fs::read_dir("/proc").unwrap().any(|entry| {
        let line = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("nft add table ip late")
    });
    assert!(!survives, "the command would change the rules later on");
}

#[test]
fn of_two_at_once_one_is_told_to_wait() {
    let namespace = NetNs::scratch().unwrap();
    let race = || {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("after.nft");
        fs::write(&file, AFTER).unwrap();
        nft(&["-f", "-"], BEFORE);
        let before = rules();
        let args = [file.to_str().unwrap(), "-t", "2"];
        let mut clients: Vec<Child> = (0..3)
            .map(|_| safe_apply(dir.path(), &args).spawn().unwrap())
            .collect();
        let mut statuses: Vec<_> = clients
            .iter_mut()
            .map(|client| client.wait().unwrap().code().unwrap())
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [3, 6, 6]);
        assert_eq!(rules(), before);
        let left = fs::read_dir(dir.path().join("state/transactions")).unwrap();
        assert_eq!(left.count(), 1, "those that never began leave nothing");
    };
    namespace.enter(race).unwrap();
}
