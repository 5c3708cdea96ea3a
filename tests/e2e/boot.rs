//! Reboots in the window, and rules that are loaded at boot.

use std::fs;

use crate::lab::{Backend, Lab, assert_same, eventually, on_both_backends};
use crate::rules::{GOOD_V4, GOOD_V6};

on_both_backends!(
    a_reboot_in_the_window_closes_the_transaction,
    an_unconfirmed_boot_file_does_not_survive_the_reboot,
    a_boot_file_that_was_only_being_prepared_does_not_survive_either,
    persist_writes_after_the_commit_and_keeps_a_backup,
);

impl Lab {
    /// What a reboot does: all processes and rules are gone, `/run` is empty, the boot ID is new.
    pub fn reboot(&self) {
        self.kill_safe_apply();
        self.server(
            "set -e; nft flush ruleset
             for tables in iptables-legacy ip6tables-legacy; do
                 $tables-save | sed -n 's/^\\*//p' | while read -r table; do
                     $tables -t $table -F; $tables -t $table -X
                     for chain in INPUT FORWARD OUTPUT; do $tables -P $chain ACCEPT; done
                 done
             done
             ipset flush; ipset destroy
             rm -rf /run/safe-apply
             cat /proc/sys/kernel/random/uuid >/run/lab/boot_id
             mount --bind /run/lab/boot_id /proc/sys/kernel/random/boot_id",
        )
        .exits(0);
        assert!(self.saves().without_pristine_tables().is_empty());
    }
}

fn a_reboot_in_the_window_closes_the_transaction(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 60 {}", lab.bad_v4()));
    client.wait("live");
    lab.reboot();
    lab.load_before();
    lab.server("safe-apply recover").exits(0);
    lab.comes_back(&before, "rebooted");
    lab.apply(&format!("--force --timeout 1 {}", lab.bad_v4()))
        .ends()
        .with(3, "rolled_back");
}

#[test]
fn a_reboot_without_rules_at_boot_leaves_a_host_without_rules() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--force --timeout 60 {}", lab.bad_v4()));
    client.wait("live");
    lab.reboot();
    lab.server("safe-apply recover").exits(0);
    assert!(lab.pending().is_null());
    assert_eq!(lab.newest()["outcome"], "rolled_back");
    assert!(!lab.rules().contains("MISTAKE"));
    assert!(lab.can_login());
}

fn an_unconfirmed_boot_file_does_not_survive_the_reboot(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    lab.bad_v4();
    lab.server("mkdir /etc/iptables; cp /run/lab/bad.v4 /etc/iptables/rules.v4")
        .exits(0);
    let mut client = lab.apply("--force --timeout 60 /etc/iptables/rules.v4");
    client.wait("live");
    lab.reboot();
    lab.load("/etc/iptables/rules.v4");
    assert!(lab.rules().contains("MISTAKE"));
    lab.server("safe-apply recover").exits(0);
    lab.comes_back(&before, "rebooted");
    assert!(lab.can_login());
}

impl Lab {
    /// Makes the journal of the newest transaction end after so many records, as if the host had
    /// gone down then.
    pub fn rewind(&self, records: &str) {
        self.server(&format!(
            "set -e; cd /var/lib/safe-apply/transactions/; cd $(ls | tail -n 1)
             tr -d '\\0' <journal | head -n {records} >/tmp/journal; cat /tmp/journal >journal"
        ))
        .exits(0);
    }
}

fn a_boot_file_that_was_only_being_prepared_does_not_survive_either(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    lab.bad_v4();
    lab.server("mkdir /etc/iptables; cp /run/lab/bad.v4 /etc/iptables/rules.v4")
        .exits(0);
    let mut client = lab.apply("--force --timeout 60 /etc/iptables/rules.v4");
    client.wait("live");
    lab.server("rm /var/lib/safe-apply/transactions/*/applied")
        .exits(0);
    lab.reboot();
    lab.rewind("1");
    lab.load("/etc/iptables/rules.v4");
    assert!(lab.rules().contains("MISTAKE"));
    lab.server("safe-apply recover")
        .exits(0)
        .says("had not been touched")
        .says("Put the file right");
    assert_eq!(lab.newest()["outcome"], "failed");
    assert_eq!(lab.newest()["reason"], "rebooted");
    assert_same(&lab.rules(), &before);
    // The second look at boot; whoever loads the file after that means it.
    lab.server("safe-apply recover").exits(0);
    lab.server("iptables-restore </etc/iptables/rules.v4")
        .exits(0);
    lab.server("safe-apply recover").exits(0);
    assert!(lab.rules().contains("MISTAKE"));
    // But not at the next boot.
    lab.reboot();
    lab.load("/etc/iptables/rules.v4");
    lab.server("safe-apply recover").exits(0);
    assert_same(&lab.rules(), &before);
}

#[test]
fn a_boot_file_that_is_loaded_by_hand_after_the_boot_is_meant() {
    let lab = Lab::with_rules(Backend::Nft);
    lab.bad_v4();
    lab.server("mkdir /etc/iptables; cp /run/lab/bad.v4 /etc/iptables/rules.v4")
        .exits(0);
    let mut client = lab.apply("--force --timeout 60 /etc/iptables/rules.v4");
    client.wait("live");
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    lab.reboot();
    lab.load_before();
    // Both looks at boot.
    lab.server("safe-apply recover").exits(0);
    lab.server("safe-apply recover").exits(0);
    lab.server("iptables-restore /etc/iptables/rules.v4")
        .exits(0);
    lab.server("safe-apply recover")
        .exits(0)
        .says("Nothing was left behind");
    assert!(lab.rules().contains("MISTAKE"));
}

fn persist_writes_after_the_commit_and_keeps_a_backup(backend: Backend) {
    let lab = Lab::with_rules(backend);
    lab.server("mkdir /etc/iptables; echo '# precious' >/etc/iptables/rules.v4")
        .exits(0);
    let files = format!(
        "{} {}",
        lab.file("n.v4", GOOD_V4),
        lab.file("n.v6", GOOD_V6)
    );
    let on_disk = |name: &str| lab.server(&format!("cat /etc/iptables/{name}")).out;

    let mut client = lab.apply(&format!("--persist --timeout 60 {files}"));
    client.wait("live");
    assert_eq!(on_disk("rules.v4"), "# precious\n");
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    assert_eq!(on_disk("rules.v4"), "# precious\n");

    let mut client = lab.apply(&format!("--persist --timeout 60 {files}"));
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    let ended = client.ends().with(0, "committed");
    eventually("it is written", || on_disk("rules.v4").contains("GOODv4"));
    eventually("it is written", || on_disk("rules.v6").contains("GOODv6"));
    let persisted = ended.all("persisted");
    let v4 = persisted
        .iter()
        .find(|event| event["path"] == "/etc/iptables/rules.v4");
    let backup = v4.expect("an event for the file")["backup"]
        .as_str()
        .unwrap();
    assert_eq!(lab.server(&format!("cat '{backup}'")).out, "# precious\n");
    let live = lab.rules();
    lab.server("iptables-restore -c /etc/iptables/rules.v4")
        .exits(0);
    lab.server("ip6tables-restore -c /etc/iptables/rules.v6")
        .exits(0);
    assert!(live.contains("GOODv4") && lab.rules().contains("GOODv6"));
}

#[test]
fn persist_writes_to_the_file_that_is_named() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!(
        "--persist=/root/kept --timeout 60 {}",
        lab.good_v4()
    ));
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    eventually("it is written", || {
        lab.server("cat /root/kept").out.contains("GOODv4")
    });
    lab.server("test -e /etc/iptables").exits(1);
    assert!(fs::metadata(lab.path("good.v4")).is_ok());
}
