//! Stopped, restarted, killed, asked for its status.

use crate::lab::eventually;
use crate::rules::server;

use super::Guarded;

#[test]
fn whoever_asks_between_two_guardians_does_not_roll_back() {
    let it = Guarded::new(server());
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    for _ in 0..8 {
        it.machine
            .exec(&format!(
                "systemctl kill -s KILL {} && safe-apply status",
                pending.unit
            ))
            .exits(0)
            .says("is pending");
    }
    assert_eq!(it.machine.pending()["state"], "awaiting_confirm");
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.is_as_before();
}

#[test]
fn to_restart_it_is_to_roll_back() {
    let it = Guarded::new(server());
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.machine
        .exec(&format!("systemctl restart {}", pending.unit))
        .exits(0);
    it.is_as_before();
    it.becomes(&pending.unit, "ActiveState", "inactive");
    let ended = pending.client.ends().with(4, "rolled_back");
    assert_eq!(ended.outcome()["reason"], "terminated");
    it.machine
        .exec("systemctl is-failed 'safe-apply*'")
        .exits(1);
}

#[test]
fn one_that_is_killed_while_it_is_being_stopped_leaves_the_rules_from_before() {
    let it = Guarded::new(server());
    it.set("ExecStop=/bin/kill -s KILL $MAINPID");
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.machine.exec(&format!("systemctl stop {}", pending.unit));
    it.becomes(&pending.unit, "SubState", "failed");
    it.is_as_before();
    let ended = pending.client.ends().with(3, "rolled_back");
    assert_eq!(ended.outcome()["reason"], "guardian_lost");
}

#[test]
fn a_stop_waits_for_a_rollback_that_takes_longer_than_a_stop_may() {
    let it = Guarded::new(server());
    it.set("TimeoutStopSec=1s");
    let hook = "sleep 3; touch /root/complete";
    let pending = it.apply(&format!("--timeout 10m --on-rollback '{hook}' /lab/bad.v4"));
    it.machine
        .exec(&format!("systemctl stop {}", pending.unit))
        .exits(0);
    it.machine.exec("test -e /root/complete").exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.is_as_before();
}

#[test]
fn without_the_unit_file_it_is_a_transient_unit_with_the_same_settings() {
    let it = Guarded::new(server());
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    let names = "Type Restart KillMode WatchdogUSec TimeoutStopUSec OOMScoreAdjust After \
        CapabilityBoundingSet SystemCallFilter NoNewPrivileges RestrictNamespaces LimitCORE";
    let settings = |unit: &str| {
        let names = names.split_whitespace().map(|name| format!("-p {name} "));
        let show = format!("systemctl show {}{unit}", names.collect::<String>());
        it.machine.exec(&show).exits(0).out
    };
    let sorted = |shown: String| {
        // Instances of a template have a slice of their own.
        let words = shown
            .split(['=', ' ', '\n'])
            .filter(|word| !word.contains("slice"));
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        words.sort();
        words.dedup();
        words
    };
    let of_the_file = sorted(settings(&pending.unit));
    it.machine.exec("safe-apply rollback").exits(0);
    it.machine
        .exec("rm /usr/lib/systemd/system/safe-apply-guardian@.service && systemctl daemon-reload")
        .exits(0);
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    let unit = pending.unit.replace('@', "-");
    assert_eq!(it.property(&unit, "Transient"), "yes");
    assert_eq!(sorted(settings(&unit)), of_the_file);
    it.machine
        .exec(&format!("systemctl kill -s KILL {unit}"))
        .exits(0);
    it.becomes(&unit, "NRestarts", "1");
    it.becomes(&unit, "ActiveState", "active");
    it.machine.exec(&format!("systemctl stop {unit}")).exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.is_as_before();
}

#[test]
fn an_older_systemd_gets_as_many_settings_as_it_knows() {
    let it = Guarded::new(server());
    // /usr/sbin comes before /usr/bin, where the real one is.
    let older = it.machine.share_file(
        "systemd-run",
        "#!/bin/bash
        for word; do
            case $word in
                --property=OOMPolicy=* | --property=ProtectHostname=*)
                    echo \"Unknown assignment: ${word#--property=}\" >&2
                    exit 1 ;;
            esac
        done
        exec /usr/bin/systemd-run \"$@\"\n",
    );
    it.machine
        .exec(&format!(
            "install -m 0755 {older} /usr/sbin/systemd-run && \
             rm /usr/lib/systemd/system/safe-apply-guardian@.service && systemctl daemon-reload"
        ))
        .exits(0);
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    let unit = pending.unit.replace('@', "-");
    assert_eq!(it.property(&unit, "ProtectHostname"), "no");
    assert_eq!(it.property(&unit, "NoNewPrivileges"), "yes");
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.is_as_before();
}

#[test]
fn its_status_shows_what_is_left_and_the_line_to_type() {
    let it = Guarded::new(server());
    let pending = it.apply("--timeout 30s /lab/good.v4");
    let left = || {
        let text = it.property(&pending.unit, "StatusText");
        let left = text
            .split_once(" s left, until ")
            .unwrap_or_else(|| panic!("{text}"));
        assert!(
            text.ends_with(": ssh root@198.51.100.2 safe-apply confirm"),
            "{text}"
        );
        left.0.parse::<u64>().unwrap()
    };
    it.becomes(&pending.unit, "ActiveState", "active");
    let first = left();
    assert!((20..=30).contains(&first), "{first}");
    eventually("the countdown is seen", || left() < first);
    it.machine
        .exec(&format!("systemctl status {}", pending.unit))
        .exits(0)
        .says(" s left, until ");
    it.machine.exec("safe-apply extend 10m").exits(0);
    eventually("more time is seen", || left() > 500);
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
}

#[test]
fn a_unit_without_a_transaction_is_not_started_for_ever() {
    let it = Guarded::new(server());
    let unit = "safe-apply-guardian@20261122-121643-k7.service";
    it.machine.exec(&format!("systemctl start {unit}")).exits(1);
    assert_eq!(it.property(unit, "ActiveState"), "failed");
    assert_eq!(it.property(unit, "NRestarts"), "0");
    assert!(it.machine.pending().is_null());
    it.is_as_before();
}
