//! The verbs, and signals to the processes.

use rustix::process::Signal;

use crate::lab::{Backend, Client, Lab, Saves, assert_same, eventually, on_both_backends};

on_both_backends!(
    the_rollback_verb_restores_now,
    interrupting_the_client_restores_now
);

fn live(lab: &Lab) -> (Saves, Client) {
    let before = lab.rules();
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    (before, client)
}

fn the_rollback_verb_restores_now(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (before, client) = live(&lab);
    lab.ssh("safe-apply rollback").exits(0);
    assert_same(&lab.rules(), &before);
    client.ends().with(4, "rolled_back");
    lab.comes_back(&before, "requested");
    assert_ne!(
        lab.ssh("safe-apply rollback").code,
        0,
        "nothing is pending any more"
    );
}

fn interrupting_the_client_restores_now(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (before, client) = live(&lab);
    lab.client_process().signal(Signal::INT);
    client.ends().with(4, "rolled_back");
    lab.comes_back(&before, "requested");
}

#[test]
fn control_c_on_the_terminal_restores_now() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let command = format!(
        "TERM=xterm safe-apply --json --timeout 60 {}",
        lab.good_v4()
    );
    let mut client = lab.login().options(&["-tt"]).start(&command);
    client.wait("live");
    client.types(b"\x03");
    eventually("the client is gone", || lab.safe_apply().is_empty());
    lab.comes_back(&before, "requested");
}

#[test]
fn terminating_the_guardian_restores_now() {
    let lab = Lab::with_rules(Backend::Nft);
    let (before, client) = live(&lab);
    lab.guards().0.signal(Signal::TERM);
    client.ends().with(4, "rolled_back");
    lab.comes_back(&before, "terminated");
}

#[test]
fn a_terminal_that_hangs_up_leaves_the_guardian_waiting() {
    let lab = Lab::with_rules(Backend::Nft);
    let (_, client) = live(&lab);
    let process = lab.client_process();
    process.signal(Signal::HUP);
    client.ends();
    assert_eq!(lab.pending()["state"], "awaiting_confirm");
    lab.ssh("safe-apply confirm").exits(0);
    assert!(lab.rules().contains("GOODv4"));
    assert_eq!(lab.newest()["outcome"], "committed");
}

#[test]
fn detached_it_returns_once_the_rules_are_live() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let apply = format!("safe-apply --detach --timeout 60 {}", lab.good_v4());
    lab.ssh(&apply)
        .exits(0)
        .says("ssh root@198.51.100.2 safe-apply confirm");
    assert!(lab.rules().contains("GOODv4"));
    assert_eq!(lab.pending()["state"], "awaiting_confirm");
    lab.ssh("safe-apply confirm").exits(0);
    assert_eq!(lab.newest()["outcome"], "committed");
    lab.server("safe-apply --detach --timeout 1 --force /run/lab/before.v4")
        .exits(0);
    eventually("nobody confirms", || lab.pending().is_null());
    assert!(lab.rules().contains("GOODv4"));
    assert_ne!(lab.rules(), before);
}

#[test]
fn extend_gives_more_time() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--timeout 5 {}", lab.good_v4()));
    client.wait("live");
    lab.ssh("safe-apply extend 10m").exits(0);
    let extended = client.wait("extended");
    assert!(
        extended["deadline_seconds"].as_u64().unwrap() > 500,
        "{extended}"
    );
    let left = lab.pending()["remaining_seconds"].as_u64().unwrap();
    assert!((500..=605).contains(&left), "{left}");
    lab.ssh("safe-apply extend 48h").exits(2);
    // The longer deadline outlives the guardian, too.
    lab.guards().0.signal(Signal::KILL);
    eventually("the successor answers", || {
        lab.pending()["remaining_seconds"].is_u64()
    });
    assert!(lab.pending()["remaining_seconds"].as_u64().unwrap() > 500);
    lab.ssh("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    assert_same(&lab.rules(), &before);
}

#[test]
fn a_second_apply_is_turned_away() {
    let lab = Lab::with_rules(Backend::Nft);
    let (_, client) = live(&lab);
    let now = lab.rules();
    let done = lab
        .login()
        .user("alice")
        .run("sudo safe-apply /run/lab/before.v4")
        .exits(6);
    let done = done.says("root").says("198.51.100.1").says(" s");
    assert!(done.err.chars().any(|letter| letter.is_ascii_digit()));
    lab.ssh("safe-apply run -- iptables -F").exits(6);
    lab.apply("/run/lab/before.v4").ends().with(6, "failed");
    assert_same(&lab.rules(), &now);
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
}

#[test]
fn status_history_and_show_tell_the_story() {
    let lab = Lab::with_rules(Backend::Nft);
    let said = lab.server("safe-apply status").exits(0);
    assert!(!said.all().is_empty());
    assert!(lab.pending().is_null());
    let (_, client) = live(&lab);
    let id = lab.pending()["transaction"].as_str().unwrap().to_owned();
    lab.server("safe-apply status")
        .exits(0)
        .says(&id)
        .says("ssh root@198.51.100.2 safe-apply confirm");
    lab.server("safe-apply history").exits(0).says(&id);
    assert_eq!(lab.newest()["outcome"], "pending");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    let shown = lab.server(&format!("safe-apply show {id}")).exits(0);
    let shown = shown
        .says("root")
        .says("198.51.100.1")
        .says("\n+:INPUT DROP\n")
        .says("\n-:OLD -\n");
    shown.says("committed");
    lab.server("safe-apply show 20010101-000000-aa").exits(1);
    for verb in [
        "run", "confirm", "rollback", "extend", "status", "history", "show", "recover",
    ] {
        lab.server(&format!("safe-apply {verb} --help"))
            .exits(0)
            .says("safe-apply");
    }
}

#[test]
fn hooks_run_after_their_outcome_only() {
    let lab = Lab::with_rules(Backend::Nft);
    let hooks =
        "--on-commit 'echo commit >>/run/lab/hooks' --on-rollback 'echo rollback >>/run/lab/hooks'";
    let hooked = || std::fs::read_to_string(lab.path("hooks")).unwrap_or_default();
    let mut client = lab.apply(&format!("{hooks} --timeout 60 {}", lab.good_v4()));
    client.wait("live");
    assert_eq!(hooked(), "");
    lab.ssh("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    eventually("the hook has run", || hooked() == "rollback\n");
    let mut client = lab.apply(&format!("{hooks} --timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    eventually("the hook has run", || hooked() == "rollback\ncommit\n");
}
