//! `safe-apply run`: the same net around any command.

use crate::lab::{Backend, Lab, assert_same, on_both_backends};

on_both_backends!(
    a_command_that_flushes_is_undone,
    a_command_that_fails_is_undone_at_once,
    a_policy_that_changes_alone_is_undone,
    a_command_that_outlives_the_deadline_is_killed_with_its_children,
);

fn a_command_that_flushes_is_undone(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut client = lab.apply_command(
        "--timeout 1",
        "sh -c 'iptables -F; iptables -X OLD; ipset flush old'",
    );
    client.wait("live");
    assert!(!lab.rules().contains("OLD"));
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);

    let mut client = lab.apply_command("--timeout 60", "iptables -F");
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    assert!(!lab.rules().contains("192.0.2.7/32"));
}

fn a_policy_that_changes_alone_is_undone(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    for command in ["iptables -P INPUT DROP", "iptables -P FORWARD ACCEPT"] {
        let mut client = lab.apply_command("--timeout 60", command);
        client.wait("live");
        assert_ne!(lab.rules(), before);
        lab.server("safe-apply rollback").exits(0);
        client.ends().with(4, "rolled_back");
        assert_same(&lab.rules(), &before);
    }
    let closed = crate::rules::BEFORE_V4.replace("INPUT ACCEPT", "INPUT DROP");
    let opened = crate::rules::BEFORE_V4.replace("FORWARD DROP", "FORWARD ACCEPT");
    for (name, text) in [("closed.v4", closed), ("opened.v4", opened)] {
        let mut client = lab.apply(&format!("--timeout 60 {}", lab.file(name, text)));
        client.wait("live");
        assert_ne!(lab.rules(), before);
        lab.server("safe-apply rollback").exits(0);
        client.ends().with(4, "rolled_back");
        assert_same(&lab.rules(), &before);
    }
}

fn a_command_that_fails_is_undone_at_once(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    for command in [
        "false",
        "sh -c 'iptables -F; exit 3'",
        "sh -c 'iptables -F; kill -9 $$'",
        "/nonexistent",
    ] {
        let ended = lab.apply_command("--timeout 60", command).ends();
        assert_eq!(ended.code, 1, "{command}: {ended:#?}");
        assert_same(&lab.rules(), &before);
        assert!(lab.pending().is_null());
    }
}

fn a_command_that_outlives_the_deadline_is_killed_with_its_children(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let stubborn =
        "sh -c 'trap \"\" TERM HUP INT; iptables -F; setsid sleep 987 & sleep 986; sleep 985'";
    let ended = lab.apply_command("--timeout 1", stubborn).ends();
    assert!([1, 3].contains(&ended.code), "{ended:#?}");
    assert_same(&lab.rules(), &before);
    let left: Vec<_> = lab.processes();
    assert!(
        !left.iter().any(|process| process.line.contains("sleep 98")),
        "{left:#?}"
    );
}

#[test]
fn a_client_that_dies_while_its_command_runs_takes_the_changes_with_it() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let mut client = lab.apply_command(
        "--timeout 60",
        "sh -c 'iptables -F; touch /run/lab/flushed; sleep 984'",
    );
    client.wait("applying");
    crate::lab::eventually("it has flushed", || lab.path("flushed").exists());
    assert_ne!(lab.rules(), before);
    let mut clients = lab.safe_apply();
    clients.retain(|process| process.line.contains(" run "));
    clients
        .iter()
        .for_each(|process| process.signal(rustix::process::Signal::KILL));
    lab.comes_back(&before, "client_lost");
    let left = lab.processes();
    assert!(
        !left
            .iter()
            .any(|process| process.line.contains("sleep 984")),
        "{left:#?}"
    );
}

#[test]
fn a_command_that_changes_nothing_commits() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    lab.apply_command("--timeout 60", "true")
        .ends()
        .with(0, "committed");
    assert_same(&lab.rules(), &before);
}

#[test]
fn the_command_has_the_terminal() {
    let lab = Lab::with_rules(Backend::Nft);
    let login = lab.login().options(&["-tt"]);
    let command = "TERM=xterm safe-apply run --timeout 60 -- \
                   sh -c 'tty; test -t 0 && test -t 1 && test -t 2'";
    login.run(command).exits(0).says("/dev/pts/");
    lab.ssh("echo typed | safe-apply run -- sh -c 'read -r word; echo \"got $word\"'")
        .exits(0)
        .says("got typed");
}
