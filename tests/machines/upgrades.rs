//! An upgrade of the package in the window: the guardian goes on, and the new program
//! understands what the old one left.

use crate::lab::{Client, Machine};
use crate::rules::{bad, come_back, good, rules, server};

/// Applies a file over a login that stays; returns when it is live.
#[track_caller]
fn apply(machine: &Machine, options: &str, file: &str) -> Client {
    let apply = format!("safe-apply --json {options} {file}");
    let mut client = machine.login("root").start(&apply);
    client.wait("live");
    client
}

/// Makes the package anew with a higher version, and installs that.
#[track_caller]
fn upgrade(machine: &Machine) {
    let package = machine.share_package();
    let script = format!(
        "set -e; cd /tmp; dpkg-deb -R {package} new
         sed -i 's/^Version: .*/Version: 99/' new/DEBIAN/control
         dpkg-deb --build -Zgzip -z1 new new.deb; dpkg -i new.deb
         dpkg-query --show safe-apply"
    );
    machine.exec(&script).exits(0).says("safe-apply\t99");
}

#[test]
fn the_deadline_is_kept() {
    let machine = server().boot();
    let before = rules(&machine);
    let client = apply(&machine, "--force --timeout 15", &bad(&machine));
    let guardian = machine.guardian();
    upgrade(&machine);
    assert_eq!(machine.guardian(), guardian, "it is not restarted");
    assert!(rules(&machine).contains("MISTAKE"));
    come_back(&machine, &before);
    client.ends().with(3, "rolled_back");
    machine.ended_with("rolled_back", "not_confirmed");
}

#[test]
fn the_new_program_confirms_what_the_old_one_guards() {
    let machine = server().boot();
    let client = apply(&machine, "--timeout 300", &good(&machine));
    let guardian = machine.guardian();
    upgrade(&machine);
    assert_eq!(machine.guardian(), guardian, "it is not restarted");
    machine.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    machine.ended_with("committed", "");
}

#[test]
fn a_guardian_that_is_killed_after_it_is_followed_by_the_new_program() {
    let machine = server().boot();
    let client = apply(&machine, "--timeout 300", &good(&machine));
    let dead = machine.guardian();
    upgrade(&machine);
    let unit = machine.guardian_unit();
    machine
        .exec(&format!("systemctl kill -s KILL {unit}"))
        .exits(0);
    machine.taken_over_from(dead);
    let program = format!("readlink /proc/{}/exe", machine.guardian());
    machine
        .exec(&program)
        .exits(0)
        .says("/usr/bin/safe-apply\n");
    machine.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    assert!(rules(&machine).contains("GOOD"));
}
