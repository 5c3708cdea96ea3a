//! Processes die by SIGKILL at any moment: the old rules come back all the same.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lab::{Backend, Client, Lab, Saves, assert_same, eventually, on_both_backends};

on_both_backends!(
    the_client_is_killed,
    the_guardian_is_killed,
    the_successor_is_killed,
    guardian_and_successor_are_killed_then_any_verb_settles,
    all_are_killed_then_recover_settles,
    all_are_killed_at_every_journal_state,
    the_guardian_is_killed_at_every_journal_state,
    all_are_killed_at_any_moment,
);

/// Unconfirmed rules are live.
fn live(lab: &Lab, seconds: u32) -> (Saves, Client) {
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout {seconds} {}", lab.bad_v4()));
    client.wait("live");
    assert_ne!(lab.rules(), before);
    (before, client)
}

fn the_client_is_killed(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (before, _client) = live(&lab, 2);
    lab.client_process().signal(Signal::KILL);
    lab.comes_back(&before, "not_confirmed");
}

fn the_guardian_is_killed(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (before, client) = live(&lab, 3);
    lab.guards().0.signal(Signal::KILL);
    client.ends().with(3, "rolled_back");
    lab.comes_back(&before, "not_confirmed");
}

fn the_successor_is_killed(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (before, client) = live(&lab, 3);
    lab.guards().1.signal(Signal::KILL);
    client.ends().with(3, "rolled_back");
    lab.comes_back(&before, "not_confirmed");
}

fn guardian_and_successor_are_killed_then_any_verb_settles(backend: Backend) {
    for verb in ["status", "history", "confirm", "extend 5", "rollback"] {
        let lab = Lab::with_rules(backend);
        let (before, _client) = live(&lab, 60);
        let (guardian, successor) = lab.guards();
        // Stopped first, so that neither sees the other die.
        for signal in [Signal::STOP, Signal::KILL] {
            successor.signal(signal);
            guardian.signal(signal);
        }
        let said = lab.server(&format!("safe-apply {verb}"));
        assert!(said.err.contains("was left behind"), "{verb}: {said:?}");
        assert_same(&lab.rules(), &before);
        lab.comes_back(&before, "guardian_lost");
    }
}

fn all_are_killed_then_recover_settles(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (before, _client) = live(&lab, 60);
    lab.kill_safe_apply();
    assert_ne!(lab.rules(), before);
    lab.server("safe-apply recover").exits(0);
    assert_same(&lab.rules(), &before);
    lab.server("safe-apply recover").exits(0);
    lab.comes_back(&before, "guardian_lost");
}

#[test]
fn a_killed_guardian_has_a_successor_that_takes_confirmations_and_can_die_too() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    for _ in 0..3 {
        let (guardian, _) = lab.guards();
        guardian.signal(Signal::KILL);
        eventually("another guardian answers", || {
            let pending = lab.pending();
            assert!(!pending.is_null());
            let pid = |name: &str| pending[name].as_i64();
            pid("guardian_pid").is_some_and(|pid| pid != i64::from(guardian.inner))
                && pid("successor_pid").is_some()
        });
        assert!(lab.rules().contains("GOODv4"));
    }
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    assert!(lab.rules().contains("GOODv4"));
}

/// A server without network, so that counters can be compared, too; and rules that take a while.
fn large(backend: Backend) -> (Lab, Saves, String) {
    let lab = Lab::offline(backend);
    lab.load_before();
    let mut rules =
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n".to_owned();
    for number in 0..2000 {
        rules += &format!(
            "-A INPUT -s 10.0.{}.{}/32 -j DROP\n",
            number / 200,
            number % 200
        );
    }
    let file = lab.file("large.v4", rules + "COMMIT\n");
    let before = lab.saves();
    (lab, before, file)
}

/// Kills when the journal enters each state; says which state the journal was left in.
fn kill_at(lab: &Lab, state: &str, file: &str, kill: impl Fn(&Lab)) -> Option<String> {
    let previous = lab.newest_directory();
    let client = lab.console(&format!("safe-apply --json --force --timeout 1 {file}"));
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if lab.newest_directory() != previous && lab.journalled().as_deref() == Some(state) {
            kill(lab);
            break;
        }
        std::thread::yield_now();
    }
    drop(client);
    lab.journalled()
}

const STATES: [&str; 5] = [
    "prepared",
    "armed",
    "applying",
    "awaiting_confirm",
    "rolling_back",
];
/// How often a state that is over too quickly is tried to be caught.
const ATTEMPTS: usize = 15;

fn all_are_killed_at_every_journal_state(backend: Backend) {
    let (lab, before, file) = large(backend);
    for state in STATES {
        let caught = (0..ATTEMPTS).any(|_| {
            let left = kill_at(&lab, state, &file, Lab::kill_safe_apply);
            lab.server("safe-apply recover").exits(0);
            assert!(lab.pending().is_null());
            assert_same(&lab.saves(), &before);
            left.as_deref() == Some(state)
        });
        assert!(caught, "{state} was never caught");
    }
}

fn the_guardian_is_killed_at_every_journal_state(backend: Backend) {
    let (lab, before, file) = large(backend);
    for state in STATES {
        kill_at(&lab, state, &file, |lab| {
            let all = lab.safe_apply();
            for guardian in all
                .iter()
                .filter(|process| process.line.contains("__guardian"))
            {
                guardian.signal(Signal::KILL);
            }
        });
        eventually("the transaction is over", || {
            lab.journalled()
                .is_some_and(|state| ["rolled_back", "abandoned"].contains(&state.as_str()))
        });
        assert_same(&lab.saves(), &before);
        eventually("nothing is pending", || lab.pending().is_null());
    }
}

fn all_are_killed_at_any_moment(backend: Backend) {
    let (lab, before, file) = large(backend);
    let command = format!("safe-apply --json --force --timeout 1 {file}");
    let start = Instant::now();
    lab.console(&command).ends().with(3, "rolled_back");
    let whole = start.elapsed();
    assert_same(&lab.saves(), &before);
    for part in 0..16 {
        let client = lab.console(&command);
        std::thread::sleep(whole * part / 16);
        lab.kill_safe_apply();
        drop(client);
        lab.server("safe-apply status").exits(0);
        assert_same(&lab.saves(), &before);
    }
}
