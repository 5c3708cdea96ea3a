//! Nobody confirms: the old rules come back.

use crate::lab::{Backend, Lab, assert_same, on_both_backends};

on_both_backends!(
    a_lockout_ends_with_the_countdown,
    the_rules_come_back_when_the_connection_is_cut,
    a_host_without_rules_is_without_rules_again,
    a_redirect_in_a_new_nat_table_is_gone,
    without_a_terminal_it_prints_plain_lines,
);

fn a_lockout_ends_with_the_countdown(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut old = lab.login().session();
    let mut client = lab.apply(&format!("--force --timeout 5 {}", lab.bad_v4()));
    let live = client.wait("live");
    assert_eq!(live["deadline_seconds"], 5);
    assert_ne!(lab.rules(), before);
    let new = lab.login().options(&["-o", "ConnectTimeout=1"]).run("true");
    assert!(
        !client.has_seen("rolling_back"),
        "this machine is too slow for the test"
    );
    assert_ne!(new.code, 0, "a new login must be locked out");
    old.run("echo alive").says("alive").exits(0);
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
    assert!(lab.can_login());
    old.run("echo alive").says("alive").exits(0);
    let newest = lab.newest();
    assert_eq!(newest["outcome"], "rolled_back");
    assert_eq!(newest["reason"], "not_confirmed");
    assert_eq!(newest["forced"], false);
}

fn the_rules_come_back_when_the_connection_is_cut(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 2 {}", lab.bad_v4()));
    client.wait("live");
    client.cut();
    lab.comes_back(&before, "not_confirmed");
}

fn a_host_without_rules_is_without_rules_again(backend: Backend) {
    let lab = Lab::new(backend);
    assert!(lab.saves().is_empty());
    let mut client = lab.apply(&format!("--force --timeout 1 {}", lab.bad_v4()));
    client.wait("live");
    client.ends().with(3, "rolled_back");
    let after = lab.saves();
    match backend {
        Backend::Nft => assert!(after.is_empty(), "{after:?}"),
        // The kernel keeps a legacy table that was used once; it must accept everything.
        Backend::Legacy => assert!(after.without_pristine_tables().is_empty(), "{after:?}"),
    }
    assert!(lab.can_login());
}

fn a_redirect_in_a_new_nat_table_is_gone(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let nat = lab.file(
        "nat.v4",
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :POSTROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 9\nCOMMIT\n",
    );
    let mut client = lab.apply(&format!("--force --timeout 2 {nat}"));
    client.wait("live");
    assert!(!lab.can_login(), "the redirect must be live");
    client.ends().with(3, "rolled_back");
    let (after, before) = match backend {
        Backend::Nft => (lab.rules(), before),
        Backend::Legacy => (
            lab.rules().without_pristine_tables(),
            before.without_pristine_tables(),
        ),
    };
    assert_same(&after, &before);
    assert!(lab.can_login());
}

fn without_a_terminal_it_prints_plain_lines(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let done = lab.ssh(&format!("safe-apply --force --timeout 1 {}", lab.bad_v4()));
    let done = done
        .exits(3)
        .says("ssh root@198.51.100.2 safe-apply confirm");
    assert!(
        !done.all().contains('\x1b') && !done.all().contains('\r'),
        "{done:?}"
    );
    assert_same(&lab.rules(), &before);
}

#[test]
fn on_a_terminal_it_counts_down() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let command = format!("safe-apply --force --timeout 2 {}", lab.bad_v4());
    let terminal = lab.login().options(&["-tt"]);
    let done = terminal.run(&format!("TERM=xterm {command}")).exits(3);
    assert!(
        done.out.contains("\x1b["),
        "no bar on a terminal: {:?}",
        done.out
    );
    assert_same(&lab.rules(), &before);
}
