//! Processes die by SIGKILL at any moment: the old rules come back all the same.

use rustix::process::Signal;

use crate::lab::{Backend, Client, Lab, Saves, assert_same, eventually, on_both_backends};

on_both_backends!(
    the_client_is_killed,
    the_guardian_is_killed,
    the_successor_is_killed,
    guardian_and_successor_are_killed_then_any_verb_settles,
    all_are_killed_then_recover_settles,
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
        successor.ends();
        guardian.ends();
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
