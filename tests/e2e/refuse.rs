//! What is no proof of a way in is refused with exit status 5, and the rollback still comes.

use crate::lab::{Backend, CLIENT_TOO, Client, Lab, SERVER, Saves, assert_same, on_both_backends};

on_both_backends!(
    the_applying_login_cannot_confirm,
    an_older_login_cannot_confirm,
    an_older_shared_connection_cannot_confirm,
);

/// Applies the good rules for a while.
fn pending(lab: &Lab, seconds: u32) -> (Saves, Client) {
    let before = lab.rules();
    let mut client = lab.apply(&format!("--timeout {seconds} {}", lab.good_v4()));
    client.wait("live");
    (before, client)
}

fn the_applying_login_cannot_confirm(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut session = lab.login().session();
    let apply = format!("safe-apply --json --timeout 3 {}", lab.good_v4());
    session
        .run(&format!("mkfifo /tmp/events; {apply} >/tmp/events & "))
        .exits(0);
    session
        .run("exec 3</tmp/events; grep -m1 '\"live\"' <&3")
        .exits(0);
    session.run("safe-apply confirm").exits(5).says("ssh ");
    session.run("sudo safe-apply confirm").exits(5);
    session.run("setsid safe-apply confirm").exits(5);
    session.run("cat <&3 >/dev/null; wait $!").exits(3);
    lab.comes_back(&before, "not_confirmed");
}

fn an_older_login_cannot_confirm(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let mut root = lab.login().session();
    let mut alice = lab
        .login()
        .user("alice")
        .options(&["-b", CLIENT_TOO])
        .session();
    let (before, client) = pending(&lab, 4);
    root.run("safe-apply confirm").exits(5).says("Log in anew");
    alice.run("sudo safe-apply confirm").exits(5);
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}

fn an_older_shared_connection_cannot_confirm(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let (_master, path) = lab.login().master("old");
    let (before, client) = pending(&lab, 4);
    let shared = lab.login().options(&["-S", &path]);
    shared.run("safe-apply confirm").exits(5).says("-S none");
    shared.run("sudo safe-apply confirm").exits(5);
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}

#[test]
fn a_session_of_the_shared_connection_that_applied_cannot_confirm() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let (_master, path) = lab.login().master("old");
    let shared = lab.login().options(&["-S", &path]);
    let mut client = shared.start(&format!("safe-apply --json --timeout 3 {}", lab.good_v4()));
    client.wait("live");
    shared.run("safe-apply confirm").exits(5);
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}

#[test]
fn a_connection_from_the_host_itself_cannot_confirm() {
    let lab = Lab::with_rules(Backend::Nft);
    let (_, client) = pending(&lab, 60);
    for address in ["127.0.0.1", SERVER, "2001:db8::2"] {
        let ssh = format!(
            "ssh -F none -i /run/lab/key -o StrictHostKeyChecking=no -o BatchMode=yes {address}"
        );
        lab.server(&format!("{ssh} true")).exits(0);
        lab.server(&format!("{ssh} safe-apply confirm")).exits(5);
    }
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
}

#[test]
fn the_console_and_a_false_variable_cannot_confirm() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut old = lab.login().session();
    let (before, client) = pending(&lab, 4);
    lab.server("safe-apply confirm").exits(5).says("--force");
    let lie = "SSH_CONNECTION='198.51.100.1 55555 198.51.100.2 22'";
    lab.server(&format!("{lie} safe-apply confirm")).exits(5);
    old.run(&format!("{lie} safe-apply confirm")).exits(5);
    old.run(
        "setsid -f sh -c 'safe-apply confirm; echo $? >/run/lab/code'; \
             until test -s /run/lab/code; do sleep 0.02; done; cat /run/lab/code",
    )
    .says("5");
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}

#[test]
fn only_root_or_the_named_group_may_confirm() {
    let lab = Lab::with_rules(Backend::Nft);
    let (_, client) = pending(&lab, 60);
    let bob = lab.login().user("bob");
    for user in ["alice", "bob"] {
        let done = lab.login().user(user).run("safe-apply confirm --force");
        assert_ne!(done.code, 0, "{user} must not be able to confirm: {done:?}");
    }
    assert!(!lab.pending().is_null());
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");

    lab.server("echo 'group = \"fwadmin\"' >/etc/safe-apply.toml")
        .exits(0);
    let (_, client) = pending(&lab, 60);
    let alice = lab.login().user("alice").run("safe-apply confirm");
    assert_ne!(alice.code, 0, "{alice:?}");
    bob.run("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
}
