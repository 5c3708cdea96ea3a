//! Nothing is left of a stage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};
use safe_apply::netns::{NetNs, interface_names};
use safe_apply::rehearsal::stage::Stage;

use crate::model::{ip, link, plain};

/// Tells the test that is run again that it is the process to be killed, and the name of an
/// interface that no other test has.
const ROLE: &str = "SAFE_APPLY_TEST_STAGE";

#[test]
fn a_killed_process_leaves_nothing() {
    if let Ok(marker) = std::env::var(ROLE) {
        let mut host = plain();
        host.links.insert(77, link(77, &marker));
        let stage = Stage::build(&host, &[ip("203.0.113.9")], &BTreeSet::new()).unwrap();
        assert!(stage.limits().is_empty());
        println!("\nbuilt");
        loop {
            std::thread::park();
        }
    }
    let marker = format!("t{}", std::process::id());
    let outer = NetNs::scratch().unwrap();
    let run = || {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "traces::a_killed_process_leaves_nothing",
                "--nocapture",
            ])
            .env(ROLE, &marker)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let built = lines.any(|line| line.unwrap() == "built");
        let interfaces = interface_names().unwrap();
        let seen = having(&marker);
        child.kill().unwrap();
        child.wait().unwrap();
        (built, interfaces, seen)
    };
    let (built, interfaces, seen) = outer.enter(run).unwrap();
    assert!(built);
    assert_eq!(seen, 1);
    // Held open by that process alone, and so gone with it.
    assert_eq!(having(&marker), 0);
    let after = outer.enter(|| interface_names().unwrap()).unwrap();
    assert_eq!(after, BTreeSet::from(["lo".to_owned()]));
    assert_eq!(interfaces, after);
}

/// How many of the network namespaces that processes are in or hold open have an interface
/// of this name.
fn having(name: &str) -> usize {
    let has = |path: &PathBuf| {
        let look = || {
            // Namespaces of other tests may be gone by now.
            let file = File::open(path).ok()?;
            setns(file, CloneFlags::CLONE_NEWNET).ok()?;
            interface_names().ok()
        };
        let names = std::thread::scope(|scope| scope.spawn(look).join().unwrap());
        names.is_some_and(|names| names.contains(name))
    };
    namespaces().values().filter(|path| has(path)).count()
}

/// The network namespaces that processes are in or hold open, by what the kernel calls them.
fn namespaces() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut add = |link: PathBuf| {
        let name = fs::read_link(&link).map(|name| name.display().to_string());
        let name = name.ok().filter(|name| name.starts_with("net:"));
        found.extend(name.map(|name| (name, link)));
    };
    let list = |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten();
    for process in list("/proc".into()) {
        for fd in list(process.path().join("fd")) {
            add(fd.path());
        }
        for task in list(process.path().join("task")) {
            add(task.path().join("ns/net"));
        }
    }
    found
}
