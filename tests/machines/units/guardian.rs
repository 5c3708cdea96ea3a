//! Stopped, restarted, killed, asked for its status.

use crate::lab::Spec;

use super::Guarded;

#[test]
fn a_killed_guardian_goes_on_with_the_countdown_however_often() {
    let it = Guarded::new(Spec::debian().boot());
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    let deadline = it.pending()["remaining_seconds"].as_u64().unwrap();
    // More often than systemd's default limit of starts.
    for _ in 0..8 {
        let pid = it.property(&pending.unit, "MainPID");
        it.machine
            .exec(&format!("systemctl kill -s KILL {}", pending.unit))
            .exits(0);
        it.machine.eventually(&format!(
            "p=$(systemctl show -P MainPID {0}); systemctl is-active -q {0} && [ $p != {pid} ]",
            pending.unit
        ));
        // Whoever asks just then must not mistake it for dead.
        it.machine.exec("safe-apply status").exits(0);
    }
    let status = it.pending();
    assert_eq!(status["transaction"], pending.id);
    assert_eq!(status["state"], "awaiting_confirm");
    assert!(status["remaining_seconds"].as_u64().unwrap() <= deadline);
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.is_as_before();
}

#[test]
fn to_stop_or_to_restart_it_is_to_roll_back() {
    let it = Guarded::new(Spec::debian().boot());
    for verb in ["stop", "restart"] {
        let pending = it.apply("--timeout 10m /lab/bad.v4");
        it.machine
            .exec(&format!("systemctl {verb} {}", pending.unit))
            .exits(0);
        it.is_as_before();
        it.becomes(&pending.unit, "ActiveState", "inactive");
        let ended = pending.client.ends().with(4, "rolled_back");
        assert_eq!(ended.outcome()["reason"], "terminated");
    }
    it.machine
        .exec("systemctl is-failed 'safe-apply*'")
        .exits(1);
}

#[test]
fn systemd_itself_may_start_over() {
    let it = Guarded::new(Spec::debian().boot());
    let pending = it.apply("--timeout 10m /lab/good.v4");
    let pid = it.property(&pending.unit, "MainPID");
    for verb in ["daemon-reload", "daemon-reexec"] {
        it.machine.exec(&format!("systemctl {verb}")).exits(0);
    }
    it.becomes(&pending.unit, "ActiveState", "active");
    assert_eq!(it.property(&pending.unit, "MainPID"), pid);
    it.machine.ssh("safe-apply confirm").exits(0);
    pending.client.ends().with(0, "committed");
    assert!(it.rules().contains("GOOD"));
}

#[test]
fn one_that_is_killed_while_it_is_being_stopped_leaves_the_rules_from_before() {
    let it = Guarded::new(Spec::debian().boot());
    for drop_in in [
        // Killed by whoever stops it.
        "[Service]\nExecStop=/bin/kill -s KILL $MAINPID\n",
        // Killed by systemd, which has lost patience.
        "[Service]\nTimeoutStopSec=1us\nExecStop=/bin/kill -s STOP $MAINPID\nExecStop=/bin/sleep 9\n",
    ] {
        let dir = "/run/systemd/system/safe-apply-guardian@.service.d";
        it.machine
            .exec(&format!(
                "mkdir -p {dir} && printf '{}' >{dir}/test.conf && systemctl daemon-reload",
                drop_in.replace('\n', "\\n")
            ))
            .exits(0);
        let pending = it.apply("--timeout 10m /lab/bad.v4");
        it.machine.exec(&format!("systemctl stop {}", pending.unit));
        it.becomes(&pending.unit, "SubState", "failed");
        it.is_as_before();
        let ended = pending.client.ends().with(3, "rolled_back");
        assert_eq!(ended.outcome()["reason"], "guardian_lost");
        it.machine.exec("systemctl reset-failed").exits(0);
    }
}

#[test]
fn without_the_unit_file_it_is_a_transient_unit_with_the_same_settings() {
    let it = Guarded::new(Spec::debian().boot());
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    let names = "Type Restart KillMode WatchdogUSec TimeoutStopUSec OOMScoreAdjust After \
        CapabilityBoundingSet SystemCallFilter NoNewPrivileges RestrictNamespaces LimitCORE";
    let settings = |unit: &str| {
        let names = names.split_whitespace().map(|name| format!("-p {name} "));
        let show = format!("systemctl show {}{unit}", names.collect::<String>());
        let shown = it.machine.exec(&show).exits(0).out;
        // The slice of the template's instances.
        shown.replace("system-safe\\x2dapply\\x2dguardian.slice", "system.slice")
    };
    let sorted = |shown: String| {
        let mut words: Vec<String> = shown.split_whitespace().map(str::to_owned).collect();
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
fn its_status_shows_what_is_left_and_the_line_to_type() {
    let it = Guarded::new(Spec::debian().boot());
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
    crate::lab::eventually("the countdown is seen", || left() < first);
    it.machine
        .exec(&format!("systemctl status {}", pending.unit))
        .exits(0)
        .says(" s left, until ");
    it.machine.exec("safe-apply extend 10m").exits(0);
    crate::lab::eventually("more time is seen", || left() > 500);
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
}

#[test]
fn a_unit_without_a_transaction_is_not_started_for_ever() {
    let it = Guarded::new(Spec::debian().boot());
    let unit = "safe-apply-guardian@20261122-121643-k7.service";
    it.machine.exec(&format!("systemctl start {unit}")).exits(1);
    assert_eq!(it.property(unit, "ActiveState"), "failed");
    assert_eq!(it.property(unit, "NRestarts"), "0");
    assert!(it.pending().is_null());
    it.is_as_before();
}
