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

/// In a namespace with [`BEFORE`]: `work` gets a directory, and in it a file with [`AFTER`].
fn in_scratch<T: Send>(work: impl FnOnce(&Path, &str) -> T + Send) -> T {
    let prepared = || {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("after.nft");
        fs::write(&file, AFTER).unwrap();
        nft(&["-f", "-"], BEFORE);
        work(dir.path(), file.to_str().unwrap())
    };
    NetNs::scratch().unwrap().enter(prepared).unwrap()
}

/// In a namespace with [`BEFORE`]: `fault` strikes when the rules of `args` are live (they
/// have `sign` in them); returns the client's exit status once the old rules are back.
fn with_fault(args: &[&str], sign: &str, fault: impl FnOnce(&Path) + Send) -> i32 {
    in_scratch(|dir, file| {
        let before = rules();
        let args: Vec<&str> = args
            .iter()
            .map(|arg| if *arg == "FILE" { file } else { arg })
            .collect();
        let mut client: Child = safe_apply(dir, &args).spawn().unwrap();
        until("the new rules", || rules().contains(sign));
        fault(dir);
        let status = client.wait().unwrap().code().unwrap();
        until("the old rules", || rules() == before);
        let pending = safe_apply(dir, &["status"]).status().unwrap();
        assert!(pending.success());
        assert_eq!(rules(), before);
        status
    })
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
fn a_stand_in_that_a_killed_process_left_goes_with_the_rollback() {
    let status = with_fault(&["FILE", "-t", "2"], "policy drop", |_| {
        // Not the name of one that this rollback raises and lowers itself.
        let left = "table inet safe-apply-old-other { chain in { type filter hook input priority 0; drop; }; }";
        nft(&["-f", "-"], left);
    });
    assert_eq!(status, 3);
}

#[test]
fn what_others_make_at_the_very_moment_of_the_apply_is_not_taken_for_ours() {
    in_scratch(|dir, file| {
        let mut client = safe_apply(dir, &[file, "-t", "2"]).spawn().unwrap();
        // Before it was read back, if this is quick enough; the outcome is the same.
        until("the new rules", || rules().contains("policy drop"));
        nft(&["-f", "-"], "table inet foreign { chain theirs { }; }");
        assert_eq!(client.wait().unwrap().code(), Some(3));
        assert!(rules().contains("table inet foreign"), "{}", rules());
        assert!(!rules().contains("policy drop"), "{}", rules());
    });
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
fn a_guardian_that_is_stopped_goes_on() {
    let status = with_fault(&["FILE", "-t", "3"], "policy drop", |dir| {
        let pid = i32::try_from(guardian(dir).unwrap()).unwrap();
        // Once is not enough for whoever did it.
        for signal in [Signal::STOP, Signal::TSTP, Signal::STOP] {
            kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
            until("a guardian that runs", || !is_stopped(pid));
        }
    });
    assert_eq!(status, 3);
}

/// The state in `/proc/PID/stat` follows the name in parentheses (`proc(5)`).
fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('T')
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
    in_scratch(|dir, file| {
        let before = rules();
        let args = [file, "-t", "2"];
        let mut clients: Vec<Child> = (0..3)
            .map(|_| safe_apply(dir, &args).spawn().unwrap())
            .collect();
        let mut statuses: Vec<_> = clients
            .iter_mut()
            .map(|client| client.wait().unwrap().code().unwrap())
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [3, 6, 6]);
        assert_eq!(rules(), before);
        let left = fs::read_dir(dir.join("state/transactions")).unwrap();
        assert_eq!(left.count(), 1, "those that never began leave nothing");
    });
}

/// Its client has looked before the other one was left behind.
#[test]
fn none_begins_over_rules_that_were_just_left_behind() {
    in_scratch(|dir, file| {
        let before = rules();
        let mut client = safe_apply(dir, &[file, "-t", "600"]).spawn().unwrap();
        until("the new rules", || rules().contains("policy drop"));
        client.kill().unwrap();
        client.wait().unwrap();
        let text = fs::read_to_string(dir.join("run/guardian.json")).unwrap();
        let pids: serde_json::Value = serde_json::from_str(&text).unwrap();
        for name in ["successor", "guardian"] {
            let pid = i32::try_from(pids[name].as_i64().unwrap()).unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
        let transactions = dir.join("state/transactions");
        let first = pids["transaction"].as_str().unwrap();
        // The last two characters are random.
        let second = format!("{}zz", &first[..first.len() - 2]);
        fs::create_dir(transactions.join(&second)).unwrap();
        let meta = |id: &str| transactions.join(id).join("meta.json");
        fs::copy(meta(first), meta(&second)).unwrap();
        let mut guardian = safe_apply(dir, &["__guardian", &second]);
        let refused = guardian.stdout(Stdio::piped()).output().unwrap();
        assert!(!refused.status.success(), "{refused:?}");
        let said = String::from_utf8(refused.stdout).unwrap();
        assert!(said.contains(first) && said.contains("recover"), "{said}");
        assert!(!transactions.join(&second).join("journal").exists());
        assert!(safe_apply(dir, &["recover"]).status().unwrap().success());
        assert_eq!(rules(), before);
    });
}

#[test]
fn a_hook_is_run_as_it_was_written_and_not_with_the_score_of_the_guardian() {
    in_scratch(|dir, file| {
        let hook = r#"out="$SAFE_APPLY_STATE_DIR/hook"
            printf '%s|' "it's \"$SAFE_APPLY_OUTCOME\"" '$HOME' "$#" >"$out"; # a note
            cat /proc/self/oom_score_adj >>"$out""#;
        let args = [file, "-t", "3", "--on-rollback", hook];
        let mut client = safe_apply(dir, &args).spawn().unwrap();
        until("the new rules", || rules().contains("policy drop"));
        let pid = guardian(dir).unwrap();
        // Not every container lets it have -1000; any other score tells as much.
        fs::write(format!("/proc/{pid}/oom_score_adj"), "500").unwrap();
        assert_eq!(client.wait().unwrap().code(), Some(3));
        let path = dir.join("state/hook");
        until("the end of the hook", || {
            fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
        });
        let said = fs::read_to_string(path).unwrap();
        assert_eq!(said, "it's \"rolled_back\"|$HOME|0|0\n");
    });
}

#[test]
fn a_damaged_journal_is_listed_and_nothing_else_is_done() {
    in_scratch(|dir, file| {
        let applied = safe_apply(dir, &[file, "-t", "1"]).status().unwrap();
        assert_eq!(applied.code(), Some(3));
        until("the end of the guardian", || guardian(dir).is_none());
        let before = rules();
        let transactions = fs::read_dir(dir.join("state/transactions")).unwrap();
        let one = transactions.last().unwrap().unwrap();
        let id = one.file_name().into_string().unwrap();
        // The copy in memory goes with the end, so that there is no second opinion.
        assert!(!dir.join(format!("run/{id}.journal")).exists());
        let journal = one.path().join("journal");
        let mut bytes = fs::read(&journal).unwrap();
        bytes[20] ^= 1;
        fs::write(&journal, bytes).unwrap();
        let piped = |args: &[&str]| {
            let mut command = safe_apply(dir, args);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.output().unwrap()
        };
        let listed = piped(&["history", "--json"]);
        assert!(listed.status.success(), "{listed:?}");
        let entries: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(entries[0]["transaction"], *id);
        assert_eq!(entries[0]["outcome"], "damaged");
        let warning = String::from_utf8(listed.stderr).unwrap();
        assert_eq!(warning.lines().count(), 1, "{warning}");
        assert!(warning.contains(&id), "{warning}");
        let text = String::from_utf8(piped(&["history"]).stdout).unwrap();
        assert!(text.contains("damaged"), "{text}");
        for args in [&[file][..], &["rollback"], &["confirm"], &["recover"]] {
            let refused = piped(args);
            assert!(!refused.status.success(), "{args:?}: {refused:?}");
        }
        assert_eq!(rules(), before);
    });
}
