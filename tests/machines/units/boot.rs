//! Boots: the order of what loads rules, recovery, network and logins, on machines where
//! much of it is installed.

use crate::lab::{Machine, Spec};
use crate::rules::{BEFORE_V4, rules, server};

use super::Guarded;

/// As in iptables-services of Red Hat, with the dependencies of any service.
const RED_HAT: &str = "[Unit]\nDescription=IPv4 firewall\nBefore=network-pre.target\n\
    Wants=network-pre.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/usr/sbin/iptables-restore /etc/sysconfig/iptables\n\n\
    [Install]\nWantedBy=multi-user.target\n";
/// Loads rules when the network is up, as Shorewall does.
const LATE: &str = "[Unit]\nDescription=a firewall that starts late\nAfter=network-online.target\n\
    Wants=network-online.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/usr/sbin/iptables-restore /etc/late.v4\n\n[Install]\nWantedBy=multi-user.target\n";

/// Nothing failed, nothing was dropped to break a cycle.
#[track_caller]
fn is_in_order(machine: &Machine) {
    let failed = machine.exec("systemctl --failed --plain --no-legend").out;
    assert_eq!(failed, "");
    let cycles = machine
        .exec("journalctl -b -o cat | grep -i 'ordering cycle'")
        .out;
    assert_eq!(cycles, "");
    let verified = machine
        .exec("systemd-analyze verify multi-user.target 2>&1")
        .out;
    assert!(!verified.contains("cycle"), "{verified}");
}

/// When a unit's job was done, in microseconds since boot.
fn done(it: &Guarded, unit: &str) -> u64 {
    let exits = it.property(unit, "ExecMainExitTimestampMonotonic");
    let active = it.property(unit, "ActiveEnterTimestampMonotonic");
    let number = |text: &str| text.parse().unwrap_or(0);
    let done = number(&active).max(number(&exits));
    assert!(done > 0, "{unit} was not started");
    done
}

#[test]
fn with_many_loaders_recovery_is_after_them_and_before_the_network() {
    let spec = server()
        .packages(&["fail2ban", "ifupdown", "shorewall"])
        // The jail that Debian has on fails a moment after its start without a log.
        .file("/etc/fail2ban/jail.local", "[DEFAULT]\nbackend = polling\n")
        .file("/var/log/auth.log", "")
        .file("/etc/systemd/system/ip6tables-services.service", RED_HAT)
        .file("/etc/sysconfig/iptables", BEFORE_V4)
        .enable("ip6tables-services.service")
        .enable("nftables.service")
        .enable("networking.service")
        .enable("ssh.socket");
    let mut it = Guarded::new(spec);
    let pending = it.apply("--timeout 10m /lab/bad.v4");
    it.machine.kill();
    drop(pending.client);
    it.machine.start();
    is_in_order(&it.machine);
    it.machine.ended_with("rolled_back", "rebooted");
    let recover = done(&it, "safe-apply-recover.service");
    let files = done(&it, "safe-apply-recover-files.service");
    for unit in ["netfilter-persistent.service", "nftables.service"] {
        assert!((files..=recover).contains(&done(&it, unit)), "{unit}");
    }
    for unit in [
        "network-pre.target",
        "systemd-networkd.service",
        "network.target",
        "ssh.service",
        "systemd-user-sessions.service",
        "multi-user.target",
    ] {
        assert!(done(&it, unit) >= recover, "{unit}");
    }
    assert!(it.machine.can_login());
}

#[test]
fn a_boot_file_that_nobody_confirmed_is_taken_back_before_the_network_is_up() {
    // Slow enough that nobody who does not wait for it comes after it.
    let slow = "[Service]\nExecStartPre=/bin/sleep 1\n";
    let drop_in = "/etc/systemd/system/netfilter-persistent.service.d/slow.conf";
    let mut it = Guarded::new(server().file(drop_in, slow));
    it.machine
        .exec("cp /lab/bad.v4 /etc/iptables/rules.v4")
        .exits(0);
    let pending = it.apply("--timeout 10m /etc/iptables/rules.v4");
    it.machine.kill();
    drop(pending.client);
    it.machine.start();
    it.is_as_before();
    is_in_order(&it.machine);
    // The file still holds them at the next boot, when nothing is pending.
    it.machine.reboot();
    it.is_as_before();
    it.machine
        .exec(&format!(
            "journalctl -b -t safe-apply SAFE_APPLY_TRANSACTION={}",
            pending.id
        ))
        .exits(0)
        .says("Put the file right");
}

#[test]
fn rules_that_are_loaded_late_are_taken_back_too() {
    let spec = Spec::debian()
        .file("/etc/systemd/system/shorewall.service", LATE)
        .file("/etc/late.v4", BEFORE_V4)
        .enable("shorewall.service");
    let mut it = Guarded::new(spec);
    let checked = it.property("safe-apply-recheck.service", "ConditionResult");
    assert_eq!(checked, "no", "nothing to look for");
    let command = "cp /lab/bad.v4 /etc/late.v4; systemctl restart shorewall";
    let start = format!("safe-apply run --json --timeout 10m -- sh -c '{command}'");
    let pending = it.live(it.machine.login("root").start(&start));
    it.machine.kill();
    drop(pending.client);
    it.machine.start();
    is_in_order(&it.machine);
    // The machine is up when systemd has started everything.
    it.is_as_before();
    it.machine
        .exec("journalctl -b -u shorewall.service -o cat")
        .exits(0)
        .says("Finished");
    it.machine
        .exec(&format!(
            "journalctl -b -t safe-apply SAFE_APPLY_TRANSACTION={}",
            pending.id
        ))
        .exits(0)
        .says("by something that starts late");
    it.machine
        .exec("test -e /run/safe-apply/look-again")
        .exits(1);
    // A boot that loads other rules is left alone.
    it.machine.exec("iptables-save >/etc/late.v4").exits(0);
    it.machine.reboot();
    it.is_as_before();
    is_in_order(&it.machine);
}

#[test]
fn firewalld_has_loaded_its_rules_before_they_are_looked_at() {
    let spec = Spec::debian()
        .packages(&["firewalld"])
        .enable("firewalld.service")
        .enable("ssh.socket");
    let mut it = Guarded::new(spec);
    let command = "firewall-cmd -q --permanent --add-rich-rule=\"rule family=ipv4 \
        source address=192.0.2.77 reject\" && firewall-cmd -q --reload";
    let start = format!("safe-apply run --json --timeout 10m -- sh -c '{command}'");
    let pending = it.live(it.machine.login("root").start(&start));
    assert!(rules(&it.machine).contains("192.0.2.77"));
    it.machine.kill();
    drop(pending.client);
    it.machine.start();
    is_in_order(&it.machine);
    it.machine.exec("firewall-cmd --state").exits(0);
    assert!(
        !rules(&it.machine).contains("192.0.2.77"),
        "{}",
        rules(&it.machine)
    );
    it.machine.ended_with("rolled_back", "rebooted");
    assert!(it.machine.can_login());
}

#[test]
fn what_ufw_would_load_at_boot_is_taken_back_too() {
    let spec = Spec::debian()
        .packages(&["ufw"])
        .enable("ufw.service")
        .enable("ssh.socket");
    let mut it = Guarded::new(spec);
    let start = "safe-apply run --json --timeout 10m -- sh -c 'ufw --force enable >/dev/null'";
    let pending = it.live(it.machine.login("root").start(start));
    assert!(rules(&it.machine).contains("ufw-user-input"));
    it.machine.kill();
    drop(pending.client);
    it.machine.start();
    is_in_order(&it.machine);
    it.machine
        .exec("grep -q ^ENABLED=no /etc/ufw/ufw.conf")
        .exits(0);
    it.is_as_before();
    it.machine.ended_with("rolled_back", "rebooted");
}
