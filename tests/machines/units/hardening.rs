//! Everything that a guardian does, done inside its unit with all its restrictions.

use crate::lab::{Machine, Spec};
use crate::rules::{rules, server, with_rules};

use super::Guarded;

/// What hooks are used for, one line each; what fails is noted.
const HOOK: &str = r#"#!/bin/sh
try() { "$@" >/dev/null 2>>/root/hook.err || echo "$SAFE_APPLY_OUTCOME: $*" >>/root/hook.failed; }
try touch /root/here /home/alice/here /var/tmp/here /etc/here /usr/here
try su alice -c 'test "$(id -un)" = alice'
try sudo -u bob id
try sudo id
try systemctl is-active dbus.service
try systemctl restart systemd-hostnamed.service
try logger notified
try ping -c 1 198.51.100.1
try ip netns add hook
try ip netns exec hook ip link set lo up
try ip netns delete hook
try iptables-save
try iptables-legacy-save
try nft list ruleset
try mount -t tmpfs none /mnt
try umount /mnt
try sysctl -w net.ipv4.ip_forward=0
try chown alice /root/here
echo "$SAFE_APPLY_OUTCOME" >>/root/hook.ran
"#;

fn guarded(spec: Spec) -> Guarded {
    let it = Guarded::new(spec);
    it.machine.share_file("hook.sh", HOOK);
    it.machine
        .exec("install -m 0755 /lab/hook.sh /root/hook.sh")
        .exits(0);
    it
}

fn hooks_ran(machine: &Machine, outcomes: &str) {
    machine.eventually(&format!(
        "[ \"$(cat /root/hook.ran | tr '\\n' ' ')\" = '{outcomes} ' ]"
    ));
    let failed = machine.exec("cat /root/hook.failed").out;
    let said = machine.exec("cat /root/hook.err").out;
    assert!(failed.is_empty(), "hooks cannot: {failed}{said}");
}

const HOOKS: &str = "--on-commit /root/hook.sh --on-rollback /root/hook.sh";

fn all_of_it(spec: Spec, backend: &str, save: &str) {
    let it = guarded(spec);
    // Sets, and rules that match them.
    it.machine
        .exec(&format!(
            "ipset create friends hash:ip && ipset add friends 192.0.2.9 && \
             iptables-{backend} -A FORWARD -m set --match-set friends src -j ACCEPT"
        ))
        .exits(0);
    let it = it.anew();

    // Rehearsal, and its refusal.
    let bad = format!("safe-apply --json --backend {backend} /lab/bad.v4");
    let ended = it.machine.login("root").start(&bad).ends();
    let ended = ended.with(5, "failed");
    assert_eq!(ended.all("rehearsed")[0]["report"]["verdict"], "lockout");
    it.is_as_before();

    // Rollback, with a hook.
    let pending = it.apply(&format!(
        "--backend {backend} --timeout 2s {HOOKS} /lab/bad.v4"
    ));
    pending.client.ends().with(3, "rolled_back");
    it.is_as_before();
    hooks_ran(&it.machine, "rolled_back");

    // A command, rolled back by its failure.
    let command = format!(
        "safe-apply run --json --timeout 60s -- sh -c \
         'ipset add friends 192.0.2.10; iptables-{backend} -F; exit 7'"
    );
    let ended = it.machine.login("root").start(&command).ends();
    ended.with(1, "rolled_back");
    it.is_as_before();

    // Commit, persist, hook.
    let pending = it.apply(&format!(
        "--backend {backend} --persist --timeout 60s {HOOKS} /lab/good.v4"
    ));
    it.machine.ssh("safe-apply confirm").exits(0);
    let ended = pending.client.ends().with(0, "committed");
    assert!(!ended.all("persisted").is_empty(), "{ended:#?}");
    hooks_ran(&it.machine, "rolled_back committed");
    let live = it.machine.exec(save).exits(0).out;
    assert!(live.contains("GOOD"), "{live}");
    it.machine
        .exec("cat /etc/iptables/rules.v4")
        .exits(0)
        .says("GOOD");
    it.machine
        .exec("journalctl -b -p warning SYSLOG_IDENTIFIER=systemd | grep -i 'safe-apply.*ignoring'")
        .exits(1);
}

impl Guarded {
    /// What is live now is what was before.
    fn anew(self) -> Self {
        let before = rules(&self.machine);
        Self { before, ..self }
    }
}

#[test]
fn a_full_life_on_nf_tables() {
    all_of_it(server(), "nft", "iptables-nft-save");
}

#[test]
fn a_full_life_on_legacy_tables() {
    all_of_it(server(), "legacy", "iptables-legacy-save");
}

#[test]
fn a_full_life_under_a_newer_systemd() {
    all_of_it(with_rules(Spec::trixie()), "nft", "iptables-nft-save");
}

#[test]
fn a_disk_that_is_full_or_read_only_stops_no_rollback() {
    let it = Guarded::new(server());
    // Legacy tables stay once they are there.
    it.machine
        .exec(
            "iptables-legacy -n -L >/dev/null && mkdir -p /var/lib/safe-apply && \
             mount -t tmpfs -o size=16m,mode=0700 disk /var/lib/safe-apply",
        )
        .exits(0);
    let it = it.anew();
    for (fault, repair) in [
        (
            "head -c 64M /dev/zero >/var/lib/safe-apply/filler",
            "rm /var/lib/safe-apply/filler",
        ),
        (
            "mount -o remount,ro /var/lib/safe-apply",
            "mount -o remount,rw /var/lib/safe-apply",
        ),
    ] {
        // With the guardian that has applied, and with one that was started since.
        for kill in [false, true] {
            for backend in ["nft", "legacy"] {
                let pending = it.apply(&format!("--backend {backend} --timeout 10m /lab/bad.v4"));
                it.machine.exec(fault);
                if kill {
                    it.machine
                        .exec(&format!("systemctl kill -s KILL {}", pending.unit))
                        .exits(0);
                    it.becomes(&pending.unit, "NRestarts", "1");
                    it.becomes(&pending.unit, "ActiveState", "active");
                }
                it.machine.exec("safe-apply rollback").exits(0);
                it.is_as_before();
                pending.client.ends().with(4, "rolled_back");
                it.becomes(&pending.unit, "ActiveState", "inactive");
                it.machine.exec(repair).exits(0);
            }
        }
    }
}
