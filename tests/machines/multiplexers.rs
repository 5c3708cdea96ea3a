//! tmux and screen over a disconnect and a new login, with real logind sessions: what counts is
//! the login that is attached, not the one that once started the pane.

use crate::lab::{Machine, Spec, Terminal};
use crate::rules::{bad, come_back, good, rules, server, with_rules};

/// How a multiplexer is used, and how root sees whether somebody is attached.
struct Multiplexer {
    start: &'static str,
    attach: &'static str,
    attached: &'static str,
}

const TMUX: Multiplexer = Multiplexer {
    start: "tmux new-session",
    attach: "tmux attach",
    attached: "runuser -u alice -- tmux list-clients | grep -c pts",
};
const SCREEN: Multiplexer = Multiplexer {
    start: "screen -S work",
    attach: "screen -r work",
    attached: "runuser -u alice -- screen -ls | grep -c Attached",
};
/// tmux in a scope of alice's own systemd, outside the session: the way to keep it where logind
/// kills what a logout leaves.
const TMUX_IN_A_SCOPE: Multiplexer = Multiplexer {
    start: "systemd-run --quiet --user --scope tmux new-session",
    ..TMUX
};

/// A login of alice's whose terminal shows the multiplexer.
#[track_caller]
fn open(machine: &Machine, multiplexer: &Multiplexer, line: &str) -> Terminal {
    let mut terminal = machine.login("alice").terminal();
    terminal.enters(line);
    machine.eventually(multiplexer.attached);
    terminal
}

/// Types a command into the pane; returns its exit status.
#[track_caller]
fn in_pane(machine: &Machine, terminal: &mut Terminal, command: &str) -> i32 {
    machine.exec("rm -f /tmp/status").exits(0);
    let line = format!("{command}; echo $? >/tmp/status.new; mv /tmp/status.new /tmp/status");
    terminal.enters(&line);
    machine.eventually("test -e /tmp/status");
    let status = machine.exec("cat /tmp/status").exits(0).out;
    status.trim().parse().unwrap()
}

/// Good rules from a pane; a disconnect; confirmed from the same pane over a new login.
#[track_caller]
fn story(spec: Spec, multiplexer: &Multiplexer) {
    let machine = spec.boot();
    let apply = format!("sudo safe-apply --detach --timeout 300 {}", good(&machine));
    let mut old = open(&machine, multiplexer, multiplexer.start);
    assert_eq!(in_pane(&machine, &mut old, &apply), 0);
    let confirm = "sudo safe-apply confirm";
    assert_eq!(in_pane(&machine, &mut old, confirm), 5);
    // A new login that is not attached changes nothing for the pane.
    let unrelated = machine.login("alice").session();
    assert_eq!(in_pane(&machine, &mut old, confirm), 5);
    drop(unrelated);

    drop(old);
    machine.eventually(&format!("! {}", multiplexer.attached));
    let mut new = open(&machine, multiplexer, multiplexer.attach);
    assert_eq!(in_pane(&machine, &mut new, confirm), 0);
    machine.ended_with("committed", "");
    assert_eq!(machine.newest()["forced"], false);
    assert!(rules(&machine).contains("GOOD"));
}

#[test]
fn tmux_is_confirmed_from_after_a_reattach_over_a_new_login() {
    story(server(), &TMUX);
}

#[test]
fn screen_is_confirmed_from_after_a_reattach_over_a_new_login() {
    story(server(), &SCREEN);
}

#[test]
fn tmux_is_confirmed_from_where_sshd_is_split() {
    story(with_rules(Spec::trixie()), &TMUX);
}

#[test]
fn screen_is_confirmed_from_where_sshd_is_split() {
    story(with_rules(Spec::trixie()), &SCREEN);
}

#[test]
fn tmux_is_kept_in_a_scope_where_logind_kills() {
    let spec = server()
        .file(
            "/etc/systemd/logind.conf.d/kill.conf",
            "[Login]\nKillUserProcesses=yes\n",
        )
        .file("/var/lib/systemd/linger/alice", "");
    story(spec, &TMUX_IN_A_SCOPE);
}

#[test]
fn a_login_that_attaches_beside_a_hanging_one_may_confirm() {
    let machine = server().boot();
    let apply = format!("sudo safe-apply --detach --timeout 300 {}", good(&machine));
    let mut old = open(&machine, &TMUX, TMUX.start);
    assert_eq!(in_pane(&machine, &mut old, &apply), 0);
    let mut new = machine.login("alice").terminal();
    new.enters(TMUX.attach);
    machine.eventually(&format!("test $({}) = 2", TMUX.attached));
    assert_eq!(in_pane(&machine, &mut new, "sudo safe-apply confirm"), 0);
    machine.ended_with("committed", "");
}

#[test]
fn bad_rules_from_a_pane_are_rolled_back_and_the_pane_is_found_again() {
    let machine = server().boot();
    let before = rules(&machine);
    let apply = format!("sudo safe-apply --force --timeout 6 {}", bad(&machine));
    let mut old = open(&machine, &TMUX, TMUX.start);
    old.enters(&format!("{apply}; echo $? >/tmp/status"));
    machine.eventually("iptables-save | grep MISTAKE");
    drop(old);
    come_back(&machine, &before);
    let _new = open(&machine, &TMUX, TMUX.attach);
    machine.eventually("grep -x 3 /tmp/status");
    machine.ended_with("rolled_back", "not_confirmed");
}
