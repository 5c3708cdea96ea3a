//! `safe-apply demo`, by the real binary: as root, unprivileged, broken and interrupted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // helpers of tests are not seen as tests

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use safe_apply::netns::NetNs;

const NOBODY: u32 = 65534;
/// Tells the processes of one test from those of all others.
const MARK: &str = "SAFE_APPLY_DEMO_TEST";
const OWN_RULES: &str = "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.77/32 -j ACCEPT\nCOMMIT\n";

fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_safe-apply").into()
}

fn demo(program: &Path, mark: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("demo").env(MARK, mark);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// The demo's command line, in a mount namespace in which `preparation` was done before.
fn demo_after(preparation: &str, mark: &str) -> Command {
    let script = format!("{preparation} && exec \"$0\" demo");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(binary());
    command.env(MARK, mark).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Processes that were started by the demo of the test `mark`.
fn left(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of_demo = processes.filter(|one| {
        let environ = fs::read(one.path().join("environ")).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|entry| entry == wanted.as_bytes())
    });
    of_demo
        .map(|one| fs::read_to_string(one.path().join("cmdline")).unwrap_or_default())
        .collect()
}

fn assert_nothing_left(mark: &str) {
    assert_eq!(left(mark), [""; 0]);
    assert!(!Path::new("/run/demo").exists());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("/run/demo"), "{mounts}");
}

fn assert_told(output: &Output) -> String {
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{errors}");
    assert_eq!(errors, "");
    for sentence in [
        "-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT",
        "LOCKOUT: with these rules no new login from 198.51.100.7 gets in.",
        "ok Tried out with the admin's own address, and refused, exit status 5.",
        "ok The live rules were not touched.",
        "ok The bad rules are live.",
        "ok The old login answers",
        "ok A new login does not get in",
        "ok Exit status 3",
        "ok The save tools print what they printed before",
        "ok A new login gets in.",
        "ok Refused, exit status 5.",
        "ok Confirmed, exit status 0.",
        "ok The new rules are live and stay.",
        "Everything was as told",
    ] {
        assert!(told.contains(sentence), "no '{sentence}' in:\n{told}");
    }
    for line in told.lines() {
        assert!(line.chars().count() <= 80, "too long: {line}");
    }
    assert!(!told.contains('\u{1b}'), "colours without a terminal");
    told
}

#[test]
fn root_sees_real_ssh_and_keeps_the_own_rules() {
    let machine = NetNs::scratch().unwrap();
    let (output, before, after) = machine
        .enter(|| {
            let load = format!("printf '{OWN_RULES}' | iptables-restore");
            assert!(
                Command::new("sh")
                    .args(["-c", &load])
                    .status()
                    .unwrap()
                    .success()
            );
            let rules = || text(&Command::new("iptables").arg("-S").output().unwrap().stdout);
            let before = rules();
            let output = demo(&binary(), "root").output().unwrap();
            (output, before, rules())
        })
        .unwrap();
    let told = assert_told(&output);
    assert!(told.contains("with real ssh"), "{told}");
    assert!(
        told.contains("client# ssh root@198.51.100.2 safe-apply confirm"),
        "{told}"
    );
    assert!(before.contains("192.0.2.77"), "{before}");
    assert_eq!(before, after);
    assert_nothing_left("root");
}

#[test]
fn an_ordinary_user_sees_the_stand_in_and_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("safe-apply");
    fs::copy(binary(), &program).unwrap();
    let mut command = demo(&program, "nobody");
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    let told = assert_told(&command.output().unwrap());
    assert!(
        told.contains("No ssh in this run: sshd needs real root"),
        "{told}"
    );
    assert_nothing_left("nobody");
}

#[test]
fn a_missing_tool_is_named_with_its_package() {
    // A file that nobody may execute is no tool.
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let tool = fs::canonicalize("/usr/sbin/iptables").unwrap();
    let hide = format!(
        "mount --bind {} {}",
        nothing.path().display(),
        tool.display()
    );
    let output = demo_after(&hide, "missing").output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("iptables is not installed (Debian package: iptables)"),
        "{errors}"
    );
    assert_nothing_left("missing");
}

#[test]
fn it_fails_loudly_when_the_rules_are_not_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = (dir.path().join("real"), dir.path().join("fake"));
    let tool = fs::canonicalize("/usr/sbin/iptables-save").unwrap();
    fs::copy(&tool, &real).unwrap();
    // A save tool that never prints the same twice stands for a rollback that left something.
    let script = format!(
        "#!/bin/sh\nname=$(basename \"$0\")\n{} \"$name\" \"$@\" || exit\n\
         [ \"$name\" != iptables-save ] || date +%N\n",
        real.display()
    );
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let replace = format!("mount --bind {} {}", fake.display(), tool.display());
    let output = demo_after(&replace, "changed").output().unwrap();
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{told}\n{errors}");
    assert!(
        errors.contains("not as told: the rules differ from those before"),
        "{errors}"
    );
    assert!(!told.contains("Everything was as told"), "{told}");
    assert_nothing_left("changed");
}

#[test]
fn its_inner_part_does_nothing_on_the_machine_itself() {
    let output = demo(&binary(), "part")
        .args(["--part", "story"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("only for the demo itself"));
    assert_nothing_left("part");
}

/// Starts the demo and sends `signal` when the bad rules are live: exit status, standard error.
fn interrupted(mark: &str, signal: Signal) -> (Option<i32>, String) {
    let mut child = demo(&binary(), mark).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("The bad rules are live") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    assert!(!left(mark).is_empty());
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    let status = child.wait().unwrap();
    // All that hold the other end are gone when there is nothing more to read.
    output.read_to_string(&mut line).unwrap();
    let mut errors = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut errors).unwrap();
    (status.code(), errors)
}

#[test]
fn ctrl_c_ends_all_of_it() {
    let (status, errors) = interrupted("interrupt", Signal::INT);
    assert_eq!(status, Some(1));
    assert!(errors.contains("the demo was interrupted"), "{errors}");
    assert_nothing_left("interrupt");
}

#[test]
fn kill_ends_all_of_it() {
    let (status, _) = interrupted("kill", Signal::KILL);
    assert_eq!(status, None);
    // The processes of a namespace end one after the other.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !left("kill").is_empty() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_nothing_left("kill");
}
