//! The lab itself: what the other tests take for granted.

use crate::lab::Spec;

#[test]
fn a_machine_boots_reboots_and_is_reached_over_ssh() {
    let mut machine = Spec::debian().boot();
    machine.exec("systemctl is-system-running").exits(0);
    machine.ssh("cat /proc/1/comm").exits(0).says("systemd");
    let cgroups = machine.exec("stat --file-system --format %T /sys/fs/cgroup");
    cgroups.exits(0).says("cgroup2fs");
    machine
        .login("alice")
        .v6()
        .run("sudo id -u")
        .exits(0)
        .says("0");
    machine.exec("safe-apply status").exits(0);
    machine
        .exec("nft add table inet volatile; echo kept >/root/kept")
        .exits(0);
    machine.reboot();
    assert_eq!(machine.exec("nft list ruleset").exits(0).out, "");
    machine.ssh("cat /root/kept").exits(0).says("kept");
    machine.kill();
    machine.start();
    machine.exec("cat /root/kept").exits(0).says("kept");
    machine.poweroff();
}
