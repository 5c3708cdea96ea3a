//! A shutdown in the window rolls back while the network is still there, and before anybody
//! else saves or removes rules.

use crate::lab::{Spec, eventually};
use crate::rules::{server, with_rules};

use super::Guarded;

/// An administrator who has rules saved at shutdown.
const SAVES: &str = "[Service]\nExecStop=\nExecStop=/usr/sbin/netfilter-persistent save\n";
const SAVING: &str = "/etc/systemd/system/netfilter-persistent.service.d/save.conf";

/// Who must not stop before the guardian.
const OTHERS: [&str; 3] = [
    "Stopped target network.target",
    "Stopping systemd-networkd.service",
    "Stopping netfilter-persistent.service",
];

fn guarded() -> Guarded {
    Guarded::new(server().file(SAVING, SAVES))
}

impl Guarded {
    /// In the journal of `boot`, the guardian has stopped before the others begin to.
    #[track_caller]
    fn stopped_before(&self, others: &[&str], boot: i32) {
        let command = format!("journalctl --sync; journalctl --no-pager -b {boot} -o cat _PID=1");
        let journal = self.machine.exec(&command).exits(0).out;
        let line = |text: &str| {
            let found = journal.lines().position(|line| line.starts_with(text));
            found.unwrap_or_else(|| panic!("no {text:?}:\n{journal}"))
        };
        let guardian = line("Stopped safe-apply-guardian@");
        for other in others {
            assert!(guardian < line(other), "{other}:\n{journal}");
        }
    }

    #[track_caller]
    fn saved_no_mistake(&self) {
        let saved = self.machine.exec("cat /etc/iptables/rules.v4").exits(0).out;
        assert!(
            saved.contains("BEFORE") && !saved.contains("MISTAKE"),
            "{saved}"
        );
    }
}

#[test]
fn the_network_is_there_until_the_rollback_is_done() {
    let mut it = guarded();
    // The hook sees the host right after the rollback.
    let hook = "ping -c 1 -W 2 198.51.100.1 >/dev/null && echo reached >/root/seen; \
        iptables-save | grep -c MISTAKE >>/root/seen";
    let pending = it.apply(&format!(
        "--detach --timeout 10m --on-rollback '{hook}' /lab/bad.v4"
    ));
    it.machine.reboot();
    drop(pending.client);
    assert_eq!(it.machine.exec("cat /root/seen").out, "reached\n0\n");
    it.stopped_before(&OTHERS, -1);
    it.saved_no_mistake();
    it.is_as_before();
    it.machine
        .exec(&format!(
            "journalctl -b -1 SAFE_APPLY_TRANSACTION={}",
            pending.id
        ))
        .exits(0)
        .says("Rolled back (the guardian was told to stop)");
}

#[test]
fn a_guardian_that_is_killed_at_shutdown_leaves_no_mistake_to_be_saved() {
    let mut it = guarded();
    it.set("ExecStop=/bin/kill -s KILL $MAINPID");
    let pending = it.apply("--detach --timeout 10m /lab/bad.v4");
    it.machine.reboot();
    drop(pending.client);
    it.stopped_before(&OTHERS, -1);
    it.saved_no_mistake();
    it.is_as_before();
    it.machine.ended_with("rolled_back", "guardian_lost");
}

#[test]
fn the_rescue_target_rolls_back_too() {
    let it = guarded();
    let pending = it.apply("--detach --timeout 10m /lab/bad.v4");
    it.machine
        .exec("systemctl --no-block isolate rescue.target")
        .exits(0);
    it.becomes(&pending.unit, "ActiveState", "inactive");
    it.becomes("netfilter-persistent.service", "ActiveState", "inactive");
    it.stopped_before(&["Stopping netfilter-persistent.service"], 0);
    it.saved_no_mistake();
    it.machine.ended_with("rolled_back", "terminated");
}

/// The kernel goes on with its rules; everything else is started anew (systemd 254 and later).
#[test]
fn a_soft_reboot_rolls_back_too() {
    let it = Guarded::new(with_rules(Spec::trixie()));
    let pending = it.apply("--detach --timeout 10m /lab/bad.v4");
    it.machine.exec("systemctl --no-block soft-reboot").exits(0);
    // A systemd that starts over may leave a question unanswered.
    let is_up = "[ \"$(timeout -s KILL 1 systemctl show -P SoftRebootsCount)\" = 1 ] && \
        timeout -s KILL 1 systemctl is-active -q multi-user.target";
    eventually("it has started over", || {
        it.machine.exec_from_outside(is_up).code == 0
    });
    it.is_as_before();
    it.machine.ended_with("rolled_back", "terminated");
    it.machine
        .exec(&format!("journalctl SAFE_APPLY_TRANSACTION={}", pending.id))
        .exits(0)
        .says("Rolled back (the guardian was told to stop)");
}
