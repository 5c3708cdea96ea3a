//! A guardian that hangs is replaced; one that is at work is not.

use crate::rules::server;

use super::{Guarded, Pending};

/// A watchdog that waits for a second instead of half a minute.
fn guarded() -> Guarded {
    let it = Guarded::new(server());
    it.set("WatchdogSec=1s");
    it
}

impl Guarded {
    /// Stops the guardian's process as a debugger does, and waits until it is another one.
    fn hangs(&self, pending: &Pending) {
        let pid = self.property(&pending.unit, "MainPID");
        self.machine.exec(&format!("kill -s STOP {pid}")).exits(0);
        self.machine.eventually(&format!(
            "p=$(systemctl show -P MainPID {0}); systemctl is-active -q {0} && [ $p != {pid} ]",
            pending.unit
        ));
    }
}

#[test]
fn one_that_hangs_is_replaced_and_the_countdown_goes_on() {
    let it = guarded();
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.hangs(&pending);
    assert_eq!(it.machine.pending()["state"], "awaiting_confirm");
    it.machine
        .exec(&format!("journalctl -u {}", pending.unit))
        .exits(0)
        .says("Watchdog timeout");
    it.machine
        .exec("ls /var/lib/systemd/coredump/* core* 2>&1")
        .exits(2);
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.is_as_before();
}

#[test]
fn one_that_hangs_past_the_deadline_rolls_back_as_soon_as_it_is_replaced() {
    let it = guarded();
    let pending = it.apply("--timeout 2s /lab/bad.v4");
    let pid = it.property(&pending.unit, "MainPID");
    it.machine.exec(&format!("kill -s STOP {pid}")).exits(0);
    let ended = pending.client.ends().with(3, "rolled_back");
    assert_eq!(ended.outcome()["reason"], "not_confirmed");
    it.is_as_before();
}

#[test]
fn one_that_is_at_work_for_long_is_left_alone() {
    let it = guarded();
    let hook = "sleep 4; systemctl show -P NRestarts 'safe-apply-guardian@*' >/root/restarts";
    let pending = it.apply(&format!(
        "--timeout 10m --on-rollback \"{hook}\" /lab/bad.v4"
    ));
    // Idle for longer than the watchdog waits, too.
    it.machine.exec("sleep 2.5").exits(0);
    assert_eq!(it.property(&pending.unit, "NRestarts"), "0");
    it.machine.exec("safe-apply rollback").exits(0);
    pending.client.ends().with(4, "rolled_back");
    it.machine.eventually("test -s /root/restarts");
    assert_eq!(it.machine.exec("cat /root/restarts").out.trim(), "0");
    it.is_as_before();
}
