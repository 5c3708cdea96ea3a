//! The lab itself: without these, nothing else here proves anything.

use crate::lab::{Backend, Lab, assert_same, eventually, on_both_backends};
use crate::rules::BAD_V4;

on_both_backends!(the_lab_works_and_sees_a_lockout);

fn the_lab_works_and_sees_a_lockout(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    assert!(
        before.contains("[7:700] -A INPUT -s 192.0.2.7/32 -j OLD"),
        "{before:?}"
    );
    assert_same(&lab.rules(), &before);

    let mut old = lab.login().session();
    old.run("echo hello; false").says("hello").exits(1);
    lab.ssh("echo $SSH_CONNECTION")
        .says("198.51.100.1 ")
        .exits(0);
    lab.login()
        .v6()
        .options(&["-p", "2222"])
        .run("exit 3")
        .exits(3);
    let alice = lab.login().user("alice").run("id -u; sudo id -u").exits(0);
    assert_eq!(alice.out, "4001\n0\n");

    let bad = lab.file("bad.v4", BAD_V4);
    lab.server(&format!("iptables-restore {bad}")).exits(0);
    assert!(!lab.can_login());
    assert!(lab.rules().contains("MISTAKE"));
    old.run("echo still here").says("still here").exits(0);
    lab.server("iptables-restore -c /run/lab/before.v4")
        .exits(0);
    assert!(lab.can_login());
    assert!(
        lab.rules()
            .contains("[7:700] -A INPUT -s 192.0.2.7/32 -j OLD")
    );
}

#[test]
fn nothing_of_a_lab_survives_it() {
    let lab = Lab::new(Backend::Nft);
    lab.server("setsid sleep 1000 & sleep 1000 >/dev/null & disown -a; true")
        .exits(0);
    let asleep = || {
        let all = lab.processes().into_iter();
        all.filter(|process| process.line.starts_with("sleep"))
            .count()
    };
    eventually("both sleep", || asleep() == 2);
    let alive = lab.processes();
    let place = lab.path("");
    drop(lab);
    for process in alive {
        assert!(!std::path::Path::new(&format!("/proc/{}", process.pid)).exists());
    }
    assert!(!place.exists());
}

#[test]
fn a_server_without_network_has_no_rules() {
    let lab = Lab::offline(Backend::Legacy);
    assert!(lab.saves().is_empty(), "{:?}", lab.saves());
    lab.server("iptables -A INPUT -s 192.0.2.1 -j DROP; iptables -F")
        .exits(0);
    assert!(!lab.saves().is_empty());
    assert!(
        lab.saves().without_pristine_tables().is_empty(),
        "{:?}",
        lab.saves()
    );
    lab.server("iptables -P INPUT DROP").exits(0);
    assert!(!lab.saves().without_pristine_tables().is_empty());
}
