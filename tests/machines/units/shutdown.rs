//! A shutdown in the window rolls back while the network is still there, and before anybody
//! else saves or removes rules.

use crate::lab::Spec;

use super::Guarded;

/// An administrator who has rules saved at shutdown.
const SAVES: &str = "[Service]\nExecStop=\nExecStop=/usr/sbin/netfilter-persistent save\n";
const DROP_IN: &str = "/etc/systemd/system/netfilter-persistent.service.d/save.conf";

fn guarded() -> Guarded {
    let spec = Spec::debian()
        .file(DROP_IN, SAVES)
        .file("/etc/iptables/rules.v4", super::BEFORE)
        .enable("netfilter-persistent.service");
    Guarded::new(spec.boot())
}

/// The rollback, as the hook of the rules sees the host: is the network there?
const HOOK: &str = "ping -c 1 -W 2 198.51.100.1 >/dev/null && echo reached >/root/seen; \
    iptables-save | grep -c MISTAKE >>/root/seen";

#[test]
fn a_reboot_rolls_back_first() {
    let mut it = guarded();
    let pending = it.apply(&format!("--timeout 10m --on-rollback '{HOOK}' /lab/bad.v4"));
    it.machine.reboot();
    drop(pending.client);
    assert_eq!(it.machine.exec("cat /root/seen").out, "reached\n0\n");
    let saved = it.machine.exec("cat /etc/iptables/rules.v4").exits(0).out;
    assert!(
        saved.contains("BEFORE") && !saved.contains("MISTAKE"),
        "{saved}"
    );
    it.is_as_before();
    let newest = it.newest();
    assert_eq!(newest["outcome"], "rolled_back");
    assert_eq!(newest["reason"], "terminated");
    it.machine
        .exec(&format!(
            "journalctl -b -1 SAFE_APPLY_TRANSACTION={}",
            pending.id
        ))
        .exits(0)
        .says("Rolled back (the guardian was told to stop)");
}

#[test]
fn a_guardian_that_is_killed_at_shutdown_leaves_nothing_to_save() {
    let mut it = guarded();
    let dir = "/run/systemd/system/safe-apply-guardian@.service.d";
    it.machine
        .exec(&format!(
            "mkdir -p {dir} && printf '[Service]\\nExecStop=/bin/kill -s KILL $MAINPID\\n' \
             >{dir}/test.conf && systemctl daemon-reload"
        ))
        .exits(0);
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.machine.reboot();
    drop(pending.client);
    let saved = it.machine.exec("cat /etc/iptables/rules.v4").exits(0).out;
    assert!(
        saved.contains("BEFORE") && !saved.contains("MISTAKE"),
        "{saved}"
    );
    it.is_as_before();
    assert_eq!(it.newest()["reason"], "guardian_lost");
}

#[test]
fn the_rescue_target_rolls_back_too() {
    let it = guarded();
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.machine
        .exec("systemctl --no-block isolate rescue.target")
        .exits(0);
    let state = format!("systemctl show -P ActiveState {}", pending.unit);
    it.machine
        .eventually(&format!("[ \"$({state})\" = inactive ]"));
    it.machine
        .eventually("systemctl is-active -q rescue.target");
    let saved = it.machine.exec("cat /etc/iptables/rules.v4").exits(0).out;
    assert!(
        saved.contains("BEFORE") && !saved.contains("MISTAKE"),
        "{saved}"
    );
    assert_eq!(it.newest()["reason"], "terminated");
}
