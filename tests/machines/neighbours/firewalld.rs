//! firewalld has a runtime and a permanent configuration, and makes its table anew at each reload.

use super::{OPEN_V4, said, said_once};
use crate::lab::{Machine, Spec};

fn machine() -> Machine {
    let machine = Spec::debian().packages(&["firewalld"]).boot();
    machine.eventually("firewall-cmd --state");
    machine
}

fn ports(machine: &Machine, scope: &str) -> String {
    let list = format!("firewall-cmd {scope} --list-ports");
    machine.exec(&list).exits(0).out.trim().to_owned()
}

#[test]
fn rule_files_are_warned_about_before_they_are_applied() {
    let machine = machine();
    let open = machine.share_file("open.v4", OPEN_V4);
    let mut client = machine.apply(&open);
    client.wait("live");
    let events = machine.roll_back(client);
    let live = events.iter().position(|event| event["event"] == "live");
    let before = said(&events[..live.unwrap()]);
    said_once(
        &before,
        &["empties the iptables tables when it is reloaded"],
    );
    machine
        .exec(&format!("safe-apply --persist {open}"))
        .exits(1)
        .says("firewalld manages the rules of this host (firewalld.service is running)")
        .says("safe-apply run --persist -- firewall-cmd");
    let own = machine.share_file(
        "own.nft",
        "table inet firewalld { chain own { tcp dport 8080 accept; }; }\n",
    );
    machine
        .exec(&format!("safe-apply check --json {own}"))
        .says("table inet firewalld belongs to firewalld");
    // What firewalld leaves alone is nothing to talk about.
    let other = machine.share_file("other.nft", "table inet mine { chain c { accept; }; }\n");
    let report = machine
        .exec(&format!("safe-apply check --json {other}"))
        .all();
    assert!(!report.contains("firewalld"), "{report}");
    // It is true: a reload does it.
    machine.exec(&format!("iptables-restore {open}")).exits(0);
    machine
        .exec("iptables -P INPUT ACCEPT; firewall-cmd --reload")
        .exits(0);
    assert!(!machine.exec("iptables-save").exits(0).out.contains("OPEN"));
}

#[test]
fn a_runtime_change_is_undone_or_confirmed_and_persisted_in_firewallds_way() {
    let mut machine = machine();
    let rules = machine.rules();
    let mut client = machine.run("", "firewall-cmd --add-port=8080/tcp");
    client.wait("live");
    let events = machine.roll_back(client);
    said_once(
        &said(&events),
        &[
            "in its runtime configuration only",
            "still has in its memory what was rolled back",
        ],
    );
    assert_eq!(machine.rules(), rules);
    machine.exec("firewall-cmd --reload").exits(0);
    assert_eq!(ports(&machine, ""), "");

    let mut client = machine.run("--persist", "firewall-cmd --add-port=8081/tcp");
    client.wait("live");
    let events = machine.confirm(client);
    assert_eq!(said(&events), "");
    let kept = events.iter().find(|event| event["event"] == "persisted");
    assert_eq!(kept.unwrap()["path"], "/etc/firewalld");
    machine.exec("firewall-cmd --reload").exits(0);
    assert_eq!(ports(&machine, ""), "8081/tcp");
    machine.reboot();
    machine.eventually("firewall-cmd --state");
    assert_eq!(ports(&machine, ""), "8081/tcp");
}

#[test]
fn a_permanent_change_waits_for_its_confirmation_too() {
    let mut machine = machine();
    let permanent = "firewall-cmd --permanent --remove-service=ssh && \
                     firewall-cmd --reload";
    let mut client = machine.run("", permanent);
    let live = client.wait("live");
    assert!(
        live["changes"]
            .to_string()
            .contains("/etc/firewalld/zones/public.xml")
    );
    assert!(!machine.can_login());
    machine.roll_back(client);
    assert!(machine.can_login());
    machine
        .exec("test -e /etc/firewalld/zones/public.xml")
        .exits(1);
    machine.exec("firewall-cmd --reload").exits(0);
    assert!(machine.can_login());

    let mut client = machine.run("", permanent);
    client.wait("live");
    drop(client);
    machine.kill();
    machine.start();
    machine.eventually("firewall-cmd --state");
    assert!(machine.can_login());
    machine.ended_with("rolled_back", "rebooted");
    machine
        .exec("test -e /etc/firewalld/zones/public.xml")
        .exits(1);

    let mut client = machine.run("", "firewall-cmd --permanent --add-port=8082/tcp");
    client.wait("live");
    let events = machine.roll_back(client);
    said_once(
        &said(&events),
        &[
            "the live rules are as they were",
            "still has in its memory what was rolled back",
        ],
    );
    machine.exec("firewall-cmd --reload").exits(0);
    assert_eq!(ports(&machine, "--permanent"), "");
}

#[test]
fn a_service_that_was_enabled_unconfirmed_does_not_rule_after_a_power_cut() {
    let mut machine = machine();
    machine
        .exec("systemctl disable --now firewalld; firewall-offline-cmd --set-default-zone=drop")
        .exits(0);
    machine.reboot();
    assert!(machine.can_login());
    let mut client = machine.run("", "systemctl enable --now firewalld");
    client.wait("live");
    machine.eventually("firewall-cmd --state");
    drop(client);
    machine.kill();
    machine.start();
    machine.ended_with("rolled_back", "rebooted");
    machine.eventually("! nft list table inet firewalld");
    assert!(machine.can_login());
    machine
        .exec("systemctl is-enabled firewalld")
        .says("disabled");
}
