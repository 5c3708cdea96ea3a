//! Logins of a user who may use sudo, on a machine where logind kills what a logout leaves.

use crate::lab::{Machine, Spec, eventually};
use crate::rules::{bad, come_back, good, rules, server, with_rules};

fn killing_server() -> Spec {
    let killing = "[Login]\nKillUserProcesses=yes\n";
    server().file("/etc/systemd/logind.conf.d/kill.conf", killing)
}

/// A process that logind's `KillUserProcesses=` ends with the session it was started in.
const BYSTANDER: &str = "sleep 7777";

#[track_caller]
fn bystander_is_killed(machine: &Machine) {
    machine.eventually(&format!("! pgrep -f '^{BYSTANDER}'"));
}

#[test]
fn bad_rules_are_rolled_back_after_a_logout_that_kills_the_session() {
    let machine = killing_server().boot();
    let before = rules(&machine);
    let bad = bad(&machine);
    let mut alice = machine.login("alice").terminal();
    alice.enters(&format!("{BYSTANDER} & disown"));
    alice.enters(&format!(
        "sudo safe-apply --force --detach --timeout 8 {bad}"
    ));
    alice.shows("The new rules are live");
    assert!(!machine.can_login(), "the rules are bad");
    alice.enters("exit");
    alice.ends();
    bystander_is_killed(&machine);
    assert!(rules(&machine).contains("MISTAKE"), "the countdown goes on");
    machine.guardian_unit();
    come_back(&machine, &before);
    machine.eventually("safe-apply status | grep 'No change is pending'");
    machine.ended_with("rolled_back", "not_confirmed");
    machine.login("alice").run("sudo id -u").exits(0).says("0");
}

#[test]
fn bad_rules_are_rolled_back_after_the_connection_of_a_waiting_client_is_cut() {
    let machine = killing_server().boot();
    let before = rules(&machine);
    let bad = bad(&machine);
    let mut alice = machine.login("alice").terminal();
    alice.enters(&format!("{BYSTANDER} & disown"));
    alice.enters(&format!("sudo safe-apply --force --timeout 8 {bad}"));
    alice.shows("The new rules are live");
    // sshd hears of the closed connection: the old session passes the rules.
    drop(alice);
    bystander_is_killed(&machine);
    machine.eventually("! pgrep -f '^(sudo )?safe-apply --force'");
    assert!(rules(&machine).contains("MISTAKE"), "the countdown goes on");
    come_back(&machine, &before);
    eventually("nothing is pending", || machine.pending().is_null());
    machine.ended_with("rolled_back", "not_confirmed");
    assert!(machine.can_login());
}

#[test]
fn a_login_is_told_what_is_pending_and_what_to_type() {
    let machine = server().boot();
    let good = good(&machine);
    let mut quiet = machine.login("alice").terminal();
    quiet.enters("echo no''thing");
    quiet.shows("nothing");
    assert!(!quiet.screen().contains("safe-apply"), "{}", quiet.screen());
    machine
        .ssh(&format!("safe-apply --detach --timeout 300 {good}"))
        .exits(0);
    let mut alice = machine.login("alice").terminal();
    alice.shows("live but NOT confirmed");
    alice.shows("sudo safe-apply confirm");
    alice.enters("sudo safe-apply confirm");
    eventually("it is confirmed", || machine.pending().is_null());
    machine.ended_with("committed", "");
}

/// Good rules: no old connection confirms them, a new one does.
#[track_caller]
fn only_a_new_login_confirms(spec: Spec) -> Machine {
    let machine = spec.boot();
    let apply = format!("sudo safe-apply --json --timeout 300 {}", good(&machine));
    let confirm = "sudo safe-apply confirm";
    let alice = machine.login("alice");
    let mut other = alice.session();
    let (_master, shared) = alice.master("shared");
    let mut client = alice.start(&apply);
    client.wait("live");
    other.run(confirm).exits(5);
    let over_the_shared = alice.clone().options(&["-S", &shared]);
    over_the_shared.run(confirm).exits(5);
    machine.login("bob").run("safe-apply confirm").exits(1);
    alice.run(confirm).exits(0);
    client.ends().with(0, "committed");
    machine.ended_with("committed", "");
    let from = machine.newest()["confirmed_from"].to_string();
    assert!(from.contains("198.51.100.1"), "{from}");
    assert!(rules(&machine).contains("GOOD") && machine.can_login());
    drop(other);
    machine
}

#[test]
fn good_rules_are_confirmed_from_a_second_login() {
    only_a_new_login_confirms(killing_server());
}

#[test]
fn good_rules_are_confirmed_from_a_second_login_where_sshd_is_split() {
    let machine = only_a_new_login_confirms(with_rules(Spec::trixie()));
    let _session = machine.login("alice").session();
    machine.exec("pgrep sshd-session").exits(0);
}
