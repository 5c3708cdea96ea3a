//! ufw writes its files before anybody has confirmed anything.

use super::{CLOSED_V4, OPEN_V4, said, said_once};
use crate::lab::{Machine, Spec};

fn machine() -> Machine {
    let machine = Spec::debian().packages(&["ufw"]).boot();
    machine.exec("systemctl is-enabled ufw").exits(0);
    machine.exec("ufw status").exits(0).says("inactive");
    machine
}

/// What ufw loads at boot, with owners, modes and times.
fn files(machine: &Machine) -> String {
    let list = "cd /etc; stat -c '%n %a %u %g %Y' ufw ufw/*; cat ufw/ufw.conf ufw/user*.rules; \
                ls systemd/system/*/ufw.service rc*/*ufw";
    machine.exec(list).exits(0).out
}

#[test]
fn an_enable_that_locks_out_is_undone_and_does_not_come_back_at_boot() {
    let mut machine = machine();
    let before = files(&machine);
    let rules = machine.rules();
    let enable = |machine: &Machine| {
        let mut client = machine.run("", "ufw --force enable");
        let live = client.wait("live");
        assert!(
            live["changes"]
                .to_string()
                .contains("/etc/ufw/ufw.conf: changed")
        );
        assert!(!machine.can_login(), "ufw denies what comes in");
        machine.exec("grep ENABLED=yes /etc/ufw/ufw.conf").exits(0);
        client
    };
    let client = enable(&machine);
    let events = machine.roll_back(client);
    assert!(machine.can_login());
    assert_eq!(machine.rules(), rules);
    assert_eq!(files(&machine), before);
    let outcome = events.iter().find(|event| event["event"] == "rolled_back");
    assert!(
        outcome.unwrap()["files"]
            .to_string()
            .contains("/etc/ufw/ufw.conf")
    );
    machine.reboot();
    machine.exec("ufw status").exits(0).says("inactive");
    assert!(machine.can_login());

    // In the window: a reboot, and a power cut.
    drop(enable(&machine));
    machine.reboot();
    let undone = |machine: &Machine| {
        assert!(machine.can_login());
        machine.ended_with("rolled_back", "rebooted");
        machine.exec("ufw status").exits(0).says("inactive");
        assert_eq!(files(machine), before);
    };
    assert!(machine.can_login());
    assert_eq!(files(&machine), before);
    drop(enable(&machine));
    machine.kill();
    machine.start();
    undone(&machine);
    let journal = machine
        .exec("journalctl -b -u safe-apply-recover-files")
        .out;
    assert!(
        journal.contains("/etc/ufw/ufw.conf is as it was before"),
        "{journal}"
    );
}

#[test]
fn a_confirmed_change_is_kept_by_ufw_itself() {
    let mut machine = machine();
    let allow = "ufw allow 22/tcp && ufw --force enable";
    let mut client = machine.run("--persist", allow);
    client.wait("live");
    let events = machine.confirm(client);
    let kept = events.iter().find(|event| event["event"] == "persisted");
    assert_eq!(kept.unwrap()["path"], "/etc/ufw");
    machine.exec("test -e /etc/iptables/rules.v4").exits(1);
    assert_eq!(said(&events), "");

    let mut client = machine.run("", "ufw allow 8080/tcp");
    client.wait("live");
    machine.roll_back(client);
    assert!(!machine.exec("ufw status").exits(0).out.contains("8080"));
    let mut client = machine.run("", "ufw allow 8081/tcp");
    client.wait("live");
    assert_eq!(said(&machine.confirm(client)), "");
    machine.reboot();
    let status = machine.exec("ufw status").exits(0).says("8081/tcp").out;
    assert!(
        status.contains("22/tcp") && !status.contains("8080"),
        "{status}"
    );
    assert!(machine.can_login());
}

#[test]
fn a_rule_file_on_a_host_of_ufw_is_warned_about_and_not_persisted() {
    let machine = machine();
    machine
        .exec("ufw allow 22/tcp && ufw --force enable")
        .exits(0);
    let closed = machine.share_file("closed.v4", CLOSED_V4);
    let open = machine.share_file("open.v4", OPEN_V4);
    machine
        .exec(&format!("safe-apply --persist {closed}"))
        .exits(1)
        .says("ufw manages the rules of this host (/etc/ufw/ufw.conf has ENABLED=yes)")
        .says("safe-apply run -- ufw")
        .says("The firewall is untouched");
    machine.exec("test -e /etc/iptables/rules.v4").exits(1);
    machine
        .exec(&format!("safe-apply check --json {open}"))
        .says("puts its own rules and policies into table filter again");
    let mut client = machine.apply(&open);
    client.wait("live");
    let events = machine.roll_back(client);
    said_once(
        &said(&events),
        &[
            "puts its own rules and policies into table filter again",
            "belongs to ufw",
        ],
    );
}
