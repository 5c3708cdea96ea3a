//! The host goes down between the commit and the end of `--persist`: confirmed rules are made live again
//! and persisted, all of them or none.

use crate::lab::{Backend, Lab, assert_same, eventually, on_both_backends};
use crate::rules::{GOOD_V4, GOOD_V6};

on_both_backends!(what_was_confirmed_is_persisted_after_the_reboot,);

/// Applies, confirms, and waits until all that follows is done.
#[track_caller]
fn confirmed(lab: &Lab, arguments: &str) {
    let mut client = lab.apply(arguments);
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    eventually("it is closed", || {
        lab.server("test -e /run/safe-apply/*.journal").code != 0
    });
}

fn what_was_confirmed_is_persisted_after_the_reboot(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let files = format!(
        "{} {}",
        lab.file("n.v4", GOOD_V4),
        lab.file("n.v6", GOOD_V6)
    );
    lab.server(
        "set -e; mkdir /etc/iptables; iptables-save >/etc/iptables/rules.v4
         ip6tables-save >/etc/iptables/rules.v6; cp -a /etc/iptables /root/",
    )
    .exits(0);
    confirmed(&lab, &format!("--persist --timeout 60 {files}"));
    let live = lab.rules();
    let written = lab.server("cat /etc/iptables/rules.v?").out;
    // The host went down when one of the two files had been written.
    lab.server("cp /root/iptables/rules.v6 /etc/iptables/")
        .exits(0);
    lab.rewind("-1");
    lab.reboot();
    lab.load("/etc/iptables/rules.v4");
    assert!(lab.rules().contains("GOODv4"));
    assert!(!lab.rules().contains("GOODv6"));
    lab.server("safe-apply recover").exits(0);
    assert_eq!(lab.newest()["outcome"], "committed");
    assert_same(&lab.rules(), &live);
    let rules = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with(['#', ':']))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let now = lab.server("cat /etc/iptables/rules.v?").out;
    assert_eq!(rules(&now), rules(&written));
}

#[test]
fn what_was_confirmed_and_cannot_be_made_live_again_is_not_persisted_later() {
    let lab = Lab::with_rules(Backend::Nft);
    lab.server("mkdir /etc/iptables; iptables-save >/etc/iptables/rules.v4")
        .exits(0);
    let file = lab.file("n.v4", GOOD_V4);
    confirmed(&lab, &format!("--persist --timeout 60 {file}"));
    let written = lab.server("cat /etc/iptables/rules.v4").out;
    assert!(written.contains("GOODv4"));
    lab.rewind("-1");
    lab.server("rm /var/lib/safe-apply/transactions/*/applied")
        .exits(0);
    lab.reboot();
    lab.load_before();
    lab.server("safe-apply recover")
        .exits(0)
        .says("could neither be made live again");
    let later = lab.server("safe-apply status").exits(0).all();
    assert!(!later.contains("left behind"), "{later}");
    assert_eq!(lab.server("cat /etc/iptables/rules.v4").out, written);
}

/// As where the disk had hung while the first one was rolled back, and answered again after that.
#[test]
fn what_was_confirmed_later_is_not_taken_back_for_a_rollback_that_the_disk_did_not_take() {
    let lab = Lab::with_rules(Backend::Nft);
    let (bad, good) = (lab.bad_v4(), lab.good_v4());
    let v6 = lab.good_v6();
    let client = lab.apply(&format!("--force --timeout 1 {bad} {v6}"));
    client.ends().with(3, "rolled_back");
    confirmed(&lab, &format!("--timeout 60 {good} {v6}"));
    lab.server(
        "set -e; cd /var/lib/safe-apply/transactions; cd $(ls | head -n 1)
         tr -d '\\0' <journal | head -n 4 >/tmp/journal; cat /tmp/journal >journal
         iptables-save -c >/run/lab/now.v4; ip6tables-save -c >/run/lab/now.v6",
    )
    .exits(0);
    lab.reboot();
    lab.load("/run/lab/now.v4");
    lab.server("ip6tables-restore -c /run/lab/now.v6").exits(0);
    let live = lab.rules();
    assert!(live.contains("GOODv6"));
    lab.server("safe-apply recover").exits(0);
    assert_same(&lab.rules(), &live);
}

#[test]
fn what_was_confirmed_and_cannot_be_made_live_in_full_is_not_made_live_in_half() {
    let lab = Lab::with_rules(Backend::Nft);
    let files = format!(
        "{} {}",
        lab.file("n.v4", GOOD_V4),
        lab.file("n.ipset", "create blocked hash:ip family inet\n")
    );
    confirmed(&lab, &format!("--persist --timeout 60 {files}"));
    lab.rewind("-1");
    lab.reboot();
    lab.load_before();
    // Something else has taken the name, and holds on to it.
    lab.server(
        "ipset create blocked hash:net
         iptables-legacy -A FORWARD -m set --match-set blocked src -j DROP",
    )
    .exits(0);
    let loaded = lab.rules();
    lab.server("safe-apply recover")
        .exits(0)
        .says("could neither be made live again");
    assert_same(&lab.rules(), &loaded);
}
