//! What systemd, the kernel and a package upgrade can do to a guardian: afterwards the host has
//! the old rules, or the confirmed ones.

use crate::lab::{Client, Machine};
use crate::memory::run_out;
use crate::rules::{bad, come_back, good, rules, server};

/// A machine with bad rules live; its rules from before, and the waiting client.
#[track_caller]
fn with_bad_rules(timeout: u32) -> (Machine, String, Client) {
    let machine = server().boot();
    let before = rules(&machine);
    let bad = bad(&machine);
    let apply = format!("safe-apply --json --force --timeout {timeout} {bad}");
    let mut client = machine.login("root").start(&apply);
    client.wait("live");
    assert!(rules(&machine).contains("MISTAKE"));
    (machine, before, client)
}

/// A machine with good rules live, and the waiting client.
#[track_caller]
fn with_good_rules() -> (Machine, Client) {
    let machine = server().boot();
    let good = good(&machine);
    let apply = format!("safe-apply --json --timeout 300 {good}");
    let mut client = machine.login("root").start(&apply);
    client.wait("live");
    (machine, client)
}

/// A confirmation over a new connection is accepted, and the client hears of it.
#[track_caller]
fn is_confirmed(machine: &Machine, client: Client) {
    assert!(!machine.pending().is_null());
    machine.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    machine.ended_with("committed", "");
    assert!(rules(machine).contains("GOOD"));
}

#[test]
fn a_killed_guardian_is_followed_by_one_that_keeps_the_deadline() {
    let (machine, before, client) = with_bad_rules(8);
    let unit = machine.guardian_unit();
    machine
        .exec(&format!("systemctl kill -s KILL {unit}"))
        .exits(0);
    come_back(&machine, &before);
    client.ends().with(3, "rolled_back");
    machine.ended_with("rolled_back", "not_confirmed");
    assert!(machine.can_login());
}

#[test]
fn a_killed_guardian_is_followed_by_one_that_can_be_confirmed() {
    let (machine, client) = with_good_rules();
    let (unit, dead) = (machine.guardian_unit(), machine.guardian());
    machine
        .exec(&format!("systemctl kill -s KILL {unit}"))
        .exits(0);
    machine.taken_over_from(dead);
    is_confirmed(&machine, client);
}

#[test]
fn a_guardian_that_is_killed_again_and_again_is_still_followed() {
    let (machine, client) = with_good_rules();
    for _ in 0..5 {
        let dead = machine.guardian();
        machine.exec(&format!("kill -KILL {dead}")).exits(0);
        machine.taken_over_from(dead);
    }
    is_confirmed(&machine, client);
}

#[test]
fn a_stopped_guardian_rolls_back_first() {
    let (machine, before, client) = with_bad_rules(300);
    let unit = machine.guardian_unit();
    machine.exec(&format!("systemctl stop {unit}")).exits(0);
    assert_eq!(rules(&machine), before, "when systemctl returns");
    client.ends().with(4, "rolled_back");
    machine.ended_with("rolled_back", "terminated");
}

#[test]
fn a_reexecuted_systemd_changes_nothing() {
    let (machine, client) = with_good_rules();
    let guardian = machine.guardian();
    machine.exec("systemctl daemon-reexec").exits(0);
    machine.exec("systemctl daemon-reload").exits(0);
    assert_eq!(machine.guardian(), guardian);
    let unit = machine.guardian_unit();
    machine
        .exec(&format!("systemctl is-active {unit}"))
        .exits(0);
    is_confirmed(&machine, client);
}

#[test]
fn a_reexecuted_systemd_still_restarts_a_killed_guardian() {
    let (machine, before, client) = with_bad_rules(10);
    let unit = machine.guardian_unit();
    machine.exec("systemctl daemon-reexec").exits(0);
    machine
        .exec(&format!("systemctl kill -s KILL {unit}"))
        .exits(0);
    come_back(&machine, &before);
    client.ends().with(3, "rolled_back");
}

#[test]
fn a_guardian_that_the_kernel_kills_for_memory_is_followed() {
    let (machine, client) = with_good_rules();
    let guardian = machine.guardian();
    run_out(machine.outer_pid(guardian));
    machine.taken_over_from(guardian);
    is_confirmed(&machine, client);
}

#[test]
fn after_an_out_of_memory_kill_the_deadline_is_kept() {
    let (machine, before, client) = with_bad_rules(12);
    let guardian = machine.guardian();
    run_out(machine.outer_pid(guardian));
    come_back(&machine, &before);
    client.ends().with(3, "rolled_back");
    machine.ended_with("rolled_back", "not_confirmed");
}
