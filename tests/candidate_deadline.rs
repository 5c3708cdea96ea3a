//! A tool that hangs on a candidate is killed at the deadline that the caller gives.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use safe_apply::candidate::{Candidate, Error, LoadOptions, Resolved, load, load_into_namespace};
use safe_apply::exec;
use safe_apply::netns::NetNs;

const RULES: &str = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";

fn candidate(path: &Path, content: &str) -> Candidate {
    fs::write(path, content).unwrap();
    let args = [path.to_str().unwrap().to_owned()];
    load(&args, &mut &b""[..]).unwrap().remove(0)
}

fn try_load(candidate: Candidate, lock: &Path, deadline: Duration) -> Result<Vec<String>, Error> {
    let options = LoadOptions {
        backend: Some(Resolved::Legacy),
        noflush: true,
        xtables_lock: Some(lock.to_owned()),
        deadline,
    };
    let namespace = NetNs::scratch().unwrap();
    let outcome = namespace.enter(|| load_into_namespace(&[candidate], &options));
    outcome.unwrap()
}

#[test]
fn a_script_that_never_ends() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    // Nobody ever writes to it.
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("include \"{}\"\n", pipe.display());
    let nft = candidate(&dir.path().join("hangs.nft"), &script);
    let outcome = try_load(nft, &dir.path().join("lock"), Duration::from_secs(1));
    assert!(
        matches!(
            outcome,
            Err(Error::Tool(exec::Error::Deadline { seconds: 1, .. }))
        ),
        "{outcome:?}"
    );
}

#[test]
fn a_lock_that_is_held_is_given_up_before_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let holder = File::create(&lock).unwrap();
    holder.lock().unwrap();
    let rules = candidate(&dir.path().join("rules"), RULES);
    let outcome = try_load(rules, &lock, Duration::from_secs(20));
    assert!(
        matches!(&outcome, Err(Error::Refused { message, .. }) if message.contains("lock")),
        "the tool's own words: {outcome:?}"
    );
    holder.unlock().unwrap();
}
