//! A rollback needs neither a free lock, nor disk, nor PATH, nor tools that work.

use crate::frozen_disk::{FREEZE, MAKE, thaw_later};
use crate::lab::{Backend, Lab, assert_same, eventually, on_both_backends, run};

on_both_backends!(
    a_legacy_lock_that_is_never_let_go,
    a_full_disk,
    a_disk_that_turns_read_only,
    a_disk_that_hangs,
    an_empty_path,
);

/// Breaks something while unconfirmed rules are live; the rollback must come all the same.
fn broken(lab: &Lab, how: &str) {
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 2 {}", lab.bad_v4()));
    client.wait("live");
    lab.server(how).exits(0);
    assert!(
        !client.has_seen("rolling_back"),
        "this machine is too slow for the test"
    );
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}

fn a_legacy_lock_that_is_never_let_go(backend: Backend) {
    let lab = Lab::with_rules(backend);
    broken(
        &lab,
        "setsid -f flock /run/xtables.lock sh -c 'touch /run/lab/held; exec sleep 1000'; \
         until test -e /run/lab/held; do sleep 0.01; done; ! flock -n /run/xtables.lock true",
    );
}

const SMALL_DISK: &str =
    "mkdir /var/lib/safe-apply; mount -t tmpfs -o size=16m,mode=700 tmpfs /var/lib/safe-apply";

fn a_full_disk(backend: Backend) {
    let lab = Lab::with_rules(backend);
    lab.server(SMALL_DISK).exits(0);
    broken(
        &lab,
        "! dd if=/dev/zero of=/var/lib/safe-apply/full bs=4k 2>/dev/null",
    );
    lab.server("rm /var/lib/safe-apply/full").exits(0);
    assert_eq!(lab.newest()["outcome"], "rolled_back");
    lab.apply(&format!("--force --timeout 1 {}", lab.bad_v4()))
        .ends()
        .with(3, "rolled_back");
}

#[test]
fn a_disk_that_is_full_from_the_start_is_said_and_nothing_is_touched() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    lab.server(SMALL_DISK).exits(0);
    lab.server("! dd if=/dev/zero of=/var/lib/safe-apply/full bs=4k 2>/dev/null")
        .exits(0);
    let done = lab.ssh(&format!("safe-apply --force --timeout 1 {}", lab.bad_v4()));
    done.exits(1).says("No space left");
    assert_same(&lab.rules(), &before);
}

const READ_ONLY: &str = "mount --bind /var/lib/safe-apply /var/lib/safe-apply && \
                         mount -o remount,bind,ro /var/lib/safe-apply && \
                         ! touch /var/lib/safe-apply/x 2>/dev/null";

fn a_disk_that_turns_read_only(backend: Backend) {
    let lab = Lab::with_rules(backend);
    broken(&lab, READ_ONLY);
    lab.server("umount /var/lib/safe-apply").exits(0);
    assert_eq!(lab.newest()["outcome"], "rolled_back");
}

#[test]
fn a_disk_that_turns_read_only_and_a_guardian_that_dies() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 8 {}", lab.bad_v4()));
    client.wait("live");
    lab.server(READ_ONLY).exits(0);
    lab.guards().0.signal(rustix::process::Signal::KILL);
    // A reboot would not know of it, so it is no commit.
    lab.server("safe-apply confirm --force")
        .exits(1)
        .says("does not count");
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
    lab.server("umount /var/lib/safe-apply").exits(0);
    lab.comes_back(&before, "not_confirmed");
}

#[test]
fn tools_that_break_while_nf_tables_rules_wait() {
    let lab = Lab::with_rules(Backend::Nft);
    // Backends that the change does not touch, but that only their tools can list.
    lab.server("iptables-legacy -t mangle -A PREROUTING -j ACCEPT; ipset create kept hash:ip")
        .exits(0);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 1 {}", lab.bad_v4()));
    client.wait("live");
    let tools = [
        "nft",
        "xtables-nft-multi",
        "xtables-legacy-multi",
        "ipset",
        "ip",
    ];
    let each = |action: &str| {
        let tools = tools.join(" ");
        lab.server(&format!("for tool in {tools}; do {action}; done"))
            .exits(0);
    };
    each("mount --bind /bin/false $(realpath $(command -v $tool))");
    client.ends().with(3, "rolled_back");
    each("umount $(realpath $(command -v $tool))");
    assert_same(&lab.rules(), &before);
}

const STATE: &str = "/var/lib/safe-apply";

fn a_disk_that_hangs(backend: Backend) {
    let lab = Lab::with_rules(backend);
    run(lab.outside().args(["-c", MAKE, STATE])).exits(0);
    let thaw = thaw_later(lab.outside(), STATE);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 2 {}", lab.bad_v4()));
    client.wait("live");
    lab.server(&format!("{FREEZE} {STATE}")).exits(0);
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
    drop(thaw);
    eventually("it is written down", || {
        lab.newest()["outcome"] == "rolled_back"
    });
}

/// As when the new rules cut off the storage that the host runs from.
#[test]
fn a_disk_that_hangs_with_the_new_rules() {
    let lab = Lab::with_rules(Backend::Nft);
    run(lab.outside().args(["-c", MAKE, STATE])).exits(0);
    let before = lab.rules();
    let _thaw = thaw_later(lab.outside(), STATE);
    let command = format!("iptables -P INPUT DROP; {FREEZE} {STATE}");
    let mut client = lab.login().start(&format!(
        "safe-apply run --json --force --timeout 300 -- sh -c '{command}'"
    ));
    let begun = client.wait("rolling_back");
    assert!(begun["error"].to_string().contains("has not answered"));
    let back = client.wait("rolled_back");
    assert_eq!(back["reason"], "apply_failed");
    assert_same(&lab.rules(), &before);
}

fn an_empty_path(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let apply = format!(
        "/usr/local/bin/safe-apply --json --force --timeout 1 {}",
        lab.bad_v4()
    );
    for clean in ["PATH=", "env -i"] {
        let mut client = lab.login().start(&format!("{clean} {apply}"));
        client.wait("live");
        client.ends().with(3, "rolled_back");
        assert_same(&lab.rules(), &before);
    }
}

#[test]
fn a_reader_that_goes_away_does_not_stop_anything() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let apply = format!("safe-apply --force --timeout 1 {}", lab.bad_v4());
    lab.ssh(&format!(
        "{apply} 2>&1 | true; {apply} >/dev/full 2>&1; {apply} >&- 2>&- <&-"
    ));
    eventually("nothing is pending", || lab.pending().is_null());
    assert_same(&lab.rules(), &before);
}

#[test]
fn a_damaged_journal_is_reported_and_not_guessed_at() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--force --timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.kill_safe_apply();
    let now = lab.rules();
    lab.server(
        "for journal in $(find /var/lib/safe-apply /run/safe-apply -name '*journal*' -type f); do \
         printf '####' | dd of=$journal bs=1 seek=20 conv=notrunc 2>/dev/null; done",
    )
    .exits(0);
    let done = lab.server("safe-apply recover");
    assert!([1, 7].contains(&done.code), "{done:?}");
    done.says("damaged");
    assert_same(&lab.rules(), &now);
}
