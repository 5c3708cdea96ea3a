//! Logins of a real ssh to a real sshd, in network namespaces of the test's own.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, not only tests

#[path = "connection_lab/lab.rs"]
mod lab;
#[path = "connection_lab/multiplexers.rs"]
mod multiplexers;
#[path = "connection_lab/sockets.rs"]
mod sockets;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use lab::{Lab, SERVER_V4, SERVER_V6, STAY, eventually, tool};
use safe_apply::connection::{self, Refusal, Tuple, Verdict, Via};

/// The connection of an accepted verdict.
fn accepted(verdict: Verdict, expected: Via) -> Tuple {
    match verdict {
        Verdict::New {
            connection, via, ..
        } => {
            assert_eq!(via, expected);
            connection
        }
        Verdict::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

#[test]
fn old_sessions_are_refused_and_a_new_login_is_accepted() {
    let lab = Lab::new();
    let (applying, older) = (lab.login(), lab.login());
    let origin = lab.in_server(|| connection::origin(Path::new("/proc"), applying.pid));
    let tuple = origin.tuple.unwrap();
    assert_eq!(
        tuple.local,
        format!("{SERVER_V4}:22").parse::<SocketAddr>().unwrap()
    );
    assert_eq!(
        (origin.via, origin.user.as_deref()),
        (Via::Ssh, Some("root"))
    );

    let known = lab.record();
    let refused = Verdict::Refused(Refusal::ApplyingSession { tuple });
    assert_eq!(lab.judge(applying.pid, &known, Some(&tuple)), refused);
    assert!(matches!(
        lab.refusal(older.pid, &known),
        Refusal::OldConnection { .. }
    ));

    let new = lab.login();
    let connection = accepted(lab.judge(new.pid, &known, Some(&tuple)), Via::Ssh);
    assert_eq!(connection.peer.ip().to_string(), "198.51.100.7");
    assert_ne!(connection, tuple);
    // The new login changes nothing for the old ones.
    assert_eq!(lab.judge(applying.pid, &known, Some(&tuple)), refused);
    assert!(matches!(
        lab.refusal(older.pid, &known),
        Refusal::OldConnection { .. }
    ));
}

#[test]
fn a_session_multiplexed_over_an_old_connection_is_refused() {
    let lab = Lab::new();
    let control = lab.path("control").display().to_string();
    let master = lab.ssh(&format!("-M -S {control}"), "root", SERVER_V4);
    let _master = lab.login_from(&lab.client, master, STAY);
    let known = lab.record();
    let shared = lab.ssh(&format!("-S {control}"), "root", SERVER_V4);
    let shared = lab.login_from(&lab.client, shared, STAY);
    assert!(matches!(
        lab.refusal(shared.pid, &known),
        Refusal::OldConnection { .. }
    ));
}

#[test]
fn sudo_and_su_change_nothing() {
    let lab = Lab::new();
    let via_sudo = "sudo -n sh -c 'echo $$; exec cat'";
    let via_both = "sudo -n su root -c 'sh -c \"echo \\$\\$; exec cat\"'";
    let login = |script: &str| {
        let ssh = lab.ssh("-S none", "bob", SERVER_V4);
        lab.login_from(&lab.client, ssh, script)
    };
    let old = [login(via_sudo), login(via_both)];
    let known = lab.record();
    for session in &old {
        assert!(matches!(
            lab.refusal(session.pid, &known),
            Refusal::OldConnection { .. }
        ));
    }
    for script in [via_sudo, via_both] {
        let new = login(script);
        accepted(lab.judge(new.pid, &known, None), Via::Ssh);
        let origin = lab.in_server(|| connection::origin(Path::new("/proc"), new.pid));
        assert_eq!((origin.user.as_deref(), origin.sudo), (Some("4242"), true));
    }
}

#[test]
fn ipv6_and_another_port_are_seen() {
    let lab = Lab::new();
    let login = |options: &str, address: &str| {
        lab.login_from(&lab.client, lab.ssh(options, "bob", address), STAY)
    };
    let old = [
        login("-S none", SERVER_V6),
        login("-S none -p 2222", SERVER_V4),
    ];
    let known = lab.record();
    for session in &old {
        assert!(matches!(
            lab.refusal(session.pid, &known),
            Refusal::OldConnection { .. }
        ));
    }
    let new = login("-S none", SERVER_V6);
    let connection = accepted(lab.judge(new.pid, &known, None), Via::Ssh);
    assert_eq!(connection.peer.ip().to_string(), "2001:db8::7");
    let new = login("-S none -p 2222", SERVER_V4);
    assert_eq!(
        accepted(lab.judge(new.pid, &known, None), Via::Ssh)
            .local
            .port(),
        2222
    );
}

#[test]
fn ipv4_over_a_dual_stack_listener_is_ipv4() {
    let lab = Lab::new();
    let known = lab.record();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| lab.serve_dual_stack(2022));
        eventually("the listener", || {
            lab.in_server(|| connection::listening().unwrap())
                .contains(&2022)
                .then_some(())
        });
        let ssh = lab.ssh("-S none -p 2022", "root", SERVER_V4);
        let session = lab.login_from(&lab.client, ssh, STAY);
        let connection = accepted(lab.judge(session.pid, &known, None), Via::Ssh);
        assert_eq!(connection.local.to_string(), format!("{SERVER_V4}:2022"));
        assert_eq!(connection.peer.ip().to_string(), "198.51.100.7");
        let later = lab.record();
        assert!(matches!(
            lab.refusal(session.pid, &later),
            Refusal::OldConnection { .. }
        ));
        drop(session);
        lab::stop(&mut server.join().unwrap());
    });
}

#[test]
fn a_connection_from_the_host_itself_is_refused() {
    let lab = Lab::new();
    let known = lab.record();
    for address in [SERVER_V4, SERVER_V6, "127.0.0.1"] {
        let ssh = lab.ssh("-S none", "root", address);
        let session = lab.login_from(&lab.server, ssh, STAY);
        let refusal = lab.refusal(session.pid, &known);
        assert!(
            matches!(refusal, Refusal::FromThisHost { .. }),
            "{address}: {refusal}"
        );
    }
}

#[test]
fn a_half_open_connection_counts_as_old() {
    let lab = Lab::new();
    let hold_back = || {
        tool("nft add table ip lab");
        tool("nft add chain ip lab out { type filter hook output priority 0 ; }");
        tool("nft add rule ip lab out tcp flags & syn == 0 drop");
    };
    lab.client.enter(hold_back).unwrap();
    std::thread::scope(|scope| {
        let login = scope.spawn(|| lab.login());
        let half_open = |one: &connection::Connection| one.state == 3;
        eventually("a half-open connection", || {
            let current = lab.in_server(|| connection::current().unwrap());
            current.iter().any(half_open).then_some(())
        });
        let known = lab.record();
        lab.client
            .enter(|| tool("nft delete table ip lab"))
            .unwrap();
        let session = login.join().unwrap();
        assert!(matches!(
            lab.refusal(session.pid, &known),
            Refusal::OldConnection { .. }
        ));
    });
}

#[test]
fn a_process_cut_off_from_its_login_needs_another_login() {
    let lab = Lab::new();
    let script = "setsid sh -c 'echo $$; exec timeout 60 tail -f /dev/null' &";
    let ssh = lab.ssh("-S none", "root", SERVER_V4);
    let cut_off = lab.login_from(&lab.client, ssh, script);
    let parent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", cut_off.pid)).unwrap();
        stat.rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    eventually("the process to be orphaned", || {
        (parent() == "1").then_some(())
    });
    let known = lab.record();
    assert_eq!(lab.refusal(cut_off.pid, &known), Refusal::NoConnection);

    // Reaching the port is not logging in.
    let address = format!("{SERVER_V4}:22").parse::<SocketAddr>().unwrap();
    let _idle = lab
        .client
        .enter(|| TcpStream::connect(address).unwrap())
        .unwrap();
    assert_eq!(lab.refusal(cut_off.pid, &known), Refusal::NoConnection);

    let _new = lab.login();
    accepted(lab.judge(cut_off.pid, &known, None), Via::Evidence);
    let elsewhere = Tuple::new(
        "198.51.100.2:2222".parse().unwrap(),
        "198.51.100.7:4".parse().unwrap(),
    );
    let refused = Verdict::Refused(Refusal::NoConnection);
    assert_eq!(lab.judge(cut_off.pid, &known, Some(&elsewhere)), refused);
    lab::end(cut_off.pid);
}
