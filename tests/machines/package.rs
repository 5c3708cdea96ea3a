//! The Debian package: what it installs, and what is left of it after a removal and a purge.

use std::collections::BTreeSet;

use crate::lab::{Client, Machine, eventually};
use crate::rules::{bad, good, rules, server};

const UNITS: [&str; 2] = ["safe-apply-recover.service", "safe-apply-recheck.service"];

/// A machine without safe-apply, and the package where the machine sees it.
fn bare() -> (Machine, String) {
    let machine = server().without_product().boot();
    let package = machine.share_package();
    (machine, package)
}

/// All files, but for what dpkg, the journal and the clock keep for themselves.
#[track_caller]
fn files(machine: &Machine) -> BTreeSet<String> {
    let find =
        "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /lab -o -path /tmp
        -o -path /var/lib/dpkg -o -path /var/log -o -path /var/lib/systemd/timers
        -o -path /root -o -path /home \\) -prune -o -print; find /run/safe-apply || :";
    let found = machine.exec(&find.replace('\n', " ")).exits(0).out;
    found.lines().map(str::to_owned).collect()
}

#[track_caller]
fn status(machine: &Machine) -> String {
    let query = "dpkg-query --show --showformat '${db:Status-Abbrev}' safe-apply";
    machine.exec(query).out.trim().to_owned()
}

#[track_caller]
fn live(machine: &Machine, options: &str, file: &str) -> Client {
    let apply = format!("safe-apply --json {options} {file}");
    let mut client = machine.login("root").start(&apply);
    client.wait("live");
    client
}

#[test]
fn the_package_is_complete_and_a_purge_leaves_nothing() {
    let (machine, package) = bare();
    let before = files(&machine);
    machine.exec(&format!("dpkg -i {package}")).exits(0);
    for unit in UNITS {
        machine
            .exec(&format!("systemctl is-enabled {unit}"))
            .exits(0);
    }
    let verify = "systemd-analyze verify --man=no safe-apply-recover.service \
                  safe-apply-recheck.service safe-apply-guardian@x.service";
    assert_eq!(machine.exec(verify).exits(0).all(), "");
    machine
        .exec("stat --format '%a %U' /var/lib/safe-apply /run/safe-apply")
        .exits(0)
        .says("700 root\n755 root\n");
    let new: BTreeSet<String> = files(&machine).difference(&before).cloned().collect();
    for file in [
        "/etc/safe-apply.toml",
        "/etc/profile.d/safe-apply.sh",
        "/usr/bin/safe-apply",
        "/usr/share/man/man1/safe-apply-confirm.1.gz",
        "/usr/share/bash-completion/completions/safe-apply",
        "/usr/share/zsh/vendor-completions/_safe-apply",
        "/usr/share/fish/vendor_completions.d/safe-apply.fish",
        "/usr/share/doc/safe-apply/copyright",
    ] {
        assert!(new.contains(file), "{file} is not in {new:#?}");
    }
    // Its example is commented out: the settings parse, and are the defaults.
    let good = good(&machine);
    let client = live(&machine, "--timeout 60", &good);
    machine.ssh("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");

    machine.exec("dpkg -r safe-apply").exits(0);
    assert_eq!(status(&machine), "rc");
    let left: BTreeSet<String> = files(&machine).difference(&before).cloned().collect();
    let may_stay = [
        "/etc/",
        "/var/lib/safe-apply",
        "/var/lib/systemd/",
        "/run/safe-apply",
    ];
    for file in &left {
        assert!(
            may_stay.iter().any(|place| file.starts_with(place)),
            "{file}"
        );
    }
    assert!(left.contains("/etc/safe-apply.toml"));
    // What is left in /etc disturbs no login.
    machine.exec("touch /run/safe-apply/notice.json").exits(0);
    let mut alice = machine.login("alice").terminal();
    alice.enters("echo no''thing");
    alice.shows("nothing");
    assert!(!alice.screen().contains("safe-apply"), "{}", alice.screen());
    drop(alice);

    machine.exec("dpkg -P safe-apply").exits(0);
    let left: BTreeSet<String> = files(&machine).difference(&before).cloned().collect();
    let ours: Vec<&String> = left
        .iter()
        .filter(|file| file.contains("safe-apply"))
        .collect();
    assert!(ours.is_empty(), "{left:#?}");
    machine
        .exec("systemctl is-enabled safe-apply-recover.service")
        .exits(1);
}

#[test]
fn a_removal_rolls_a_pending_change_back_first() {
    let (machine, package) = bare();
    machine.exec(&format!("dpkg -i {package}")).exits(0);
    let before = rules(&machine);
    for action in ["-r", "-P"] {
        machine.exec(&format!("dpkg -i {package}")).exits(0);
        let bad = bad(&machine);
        let client = live(&machine, "--force --timeout 600", &bad);
        assert!(rules(&machine).contains("MISTAKE"));
        machine.exec(&format!("dpkg {action} safe-apply")).exits(0);
        assert_eq!(rules(&machine), before);
        client.ends().with(4, "rolled_back");
        machine.exec("command -v safe-apply").exits(1);
        machine.eventually("! pgrep -f '[_]_guardian'");
        assert!(machine.can_login());
    }
    machine.exec("test ! -e /var/lib/safe-apply").exits(0);
}

#[test]
fn a_removal_settles_what_a_dead_guardian_has_left() {
    let (machine, package) = bare();
    machine.exec(&format!("dpkg -i {package}")).exits(0);
    let before = rules(&machine);
    let bad = bad(&machine);
    let client = live(&machine, "--force --timeout 600", &bad);
    // As if systemd were not there to start it again.
    let unit = machine.guardian_unit();
    let script = format!(
        "mkdir -p /run/systemd/system/{unit}.d
         printf '[Service]\\nRestart=no\\nExecStopPost=\\n' >/run/systemd/system/{unit}.d/no.conf
         systemctl daemon-reload; systemctl kill -s KILL {unit}"
    );
    machine.exec(&script).exits(0);
    eventually("nobody is at work", || {
        machine.exec("pgrep -f '[_]_guardian'").code == 1
    });
    assert!(rules(&machine).contains("MISTAKE"));
    machine.exec("dpkg -r safe-apply").exits(0);
    assert_eq!(rules(&machine), before);
    drop(client);
}

#[test]
fn what_cannot_be_settled_stays_installed() {
    let (machine, package) = bare();
    machine.exec(&format!("dpkg -i {package}")).exits(0);
    let good = good(&machine);
    let client = live(&machine, "--timeout 60", &good);
    machine.ssh("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    let damage =
        "for journal in /var/lib/safe-apply/transactions/*/journal /run/safe-apply/*.journal; do
        [ ! -e $journal ] || echo nonsense >$journal; done";
    machine.exec(damage).exits(0);
    let refused = machine.exec("dpkg -r safe-apply");
    assert_ne!(refused.code, 0, "{refused:?}");
    refused.says("it stays installed");
    machine.exec("safe-apply --version").exits(0);
    assert_eq!(status(&machine).chars().nth(1), Some('i'));
    machine
        .exec("mv /var/lib/safe-apply/transactions/* /root/; dpkg -P safe-apply")
        .exits(0);
}

#[test]
fn an_upgrade_keeps_settings_and_a_disabled_unit() {
    let (machine, package) = bare();
    machine.exec(&format!("dpkg -i {package}")).exits(0);
    machine
        .exec("systemctl disable safe-apply-recheck.service; echo 'history = 3' >/etc/safe-apply.toml")
        .exits(0);
    machine.exec(&format!("dpkg -i {package}")).exits(0);
    machine
        .exec("cat /etc/safe-apply.toml")
        .exits(0)
        .says("history = 3");
    machine
        .exec("systemctl is-enabled safe-apply-recover.service")
        .exits(0);
    machine
        .exec("systemctl is-enabled safe-apply-recheck.service")
        .exits(1);
}

#[test]
fn a_purge_spares_the_pending_change_of_another_copy() {
    let (machine, package) = bare();
    let steps = format!(
        "dpkg -i {package} && cp /usr/bin/safe-apply /usr/local/bin/ && dpkg -r safe-apply"
    );
    machine.exec(&steps).exits(0);
    let good = good(&machine);
    let client = live(&machine, "--timeout 60", &good);
    machine
        .exec("dpkg -P safe-apply")
        .exits(0)
        .says("/var/lib/safe-apply stays");
    machine.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    machine.ended_with("committed", "");
}
