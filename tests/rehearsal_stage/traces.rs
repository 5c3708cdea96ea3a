//! Nothing is left of a stage.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use safe_apply::netns::{NetNs, interface_names};
use safe_apply::rehearsal::stage::Stage;

use crate::model::{ip, plain};

/// Tells the test that is run again as the process to be killed.
const ROLE: &str = "SAFE_APPLY_TEST_STAGE";

#[test]
fn a_killed_process_leaves_nothing() {
    let build = || Stage::build(&plain(), &[ip("203.0.113.9")], &BTreeSet::new()).unwrap();
    if std::env::var_os(ROLE).is_some() {
        let stage = build();
        let of = |namespace: &NetNs| {
            namespace.enter(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap())
        };
        let [one, other] = [stage.server(), stage.world()].map(|namespace| of(namespace).unwrap());
        println!("stage {} {}", one.display(), other.display());
        loop {
            std::thread::park();
        }
    }
    let outer = NetNs::scratch().unwrap();
    let run = || {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "traces::a_killed_process_leaves_nothing",
                "--nocapture",
            ])
            .env(ROLE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .map(Result::unwrap)
            .find(|line| line.contains("stage "))
            .unwrap();
        let names = line.split("stage ").nth(1).unwrap();
        let stage: BTreeSet<String> = names.split_whitespace().map(str::to_owned).collect();
        let interfaces = interface_names().unwrap();
        let seen = namespaces();
        child.kill().unwrap();
        child.wait().unwrap();
        (stage, interfaces, seen)
    };
    let (stage, interfaces, seen) = outer.enter(run).unwrap();
    assert_eq!(stage.len(), 2);
    assert_eq!(interfaces, BTreeSet::from(["lo".to_owned()]));
    // Held open by that process alone, and so gone with it.
    assert_eq!(seen.intersection(&stage).count(), 2, "{stage:?}");
    assert_eq!(namespaces().intersection(&stage).count(), 0);
    let after = outer.enter(|| interface_names().unwrap()).unwrap();
    assert_eq!(after, interfaces);
}

/// The network namespaces that processes are in or hold open.
fn namespaces() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |link: std::path::PathBuf| {
        let name = std::fs::read_link(link).map(|name| name.display().to_string());
        found.extend(name.into_iter().filter(|name| name.starts_with("net:")));
    };
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        add(process.path().join("ns/net"));
        for fd in std::fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            add(fd.path());
        }
        for task in std::fs::read_dir(process.path().join("task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            add(task.path().join("ns/net"));
        }
    }
    found
}
