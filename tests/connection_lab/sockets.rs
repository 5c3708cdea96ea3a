//! Connections that are no logins, or not yet, or not the ones they look like.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};

use safe_apply::connection::{self, Refusal, Tuple, Via};

use crate::accepted;
use crate::lab::{self, Lab, SERVER_V4, STAY, eventually};

#[test]
fn arrivals_are_told_once() {
    let lab = Lab::new();
    let _old = lab.login();
    let known = lab.record();
    let mut seen = BTreeSet::new();
    let mut arrivals = |port| lab.in_server(|| connection::arrivals(&known, &mut seen, port));
    assert_eq!(arrivals(None), []);
    let new = lab.login();
    let connection = accepted(lab.judge(new.pid, &known, None), Via::Ssh);
    assert_eq!(arrivals(Some(2222)), []);
    assert_eq!(arrivals(Some(22)), [connection]);
    assert_eq!(arrivals(None), []);
}

#[test]
fn a_new_connection_to_a_forwarded_port_makes_no_old_login_new() {
    let lab = Lab::new();
    let login = |port: u16| {
        let forward = format!("-S none -R {SERVER_V4}:{port}:{SERVER_V4}:22");
        let ssh = lab.ssh(&forward, "root", SERVER_V4);
        lab.login_from(&lab.client, ssh, STAY)
    };
    let connect = |port: u16| {
        let stream = lab
            .client
            .enter(|| TcpStream::connect((SERVER_V4, port)).unwrap());
        eventually("sshd to accept", || {
            let current = lab.in_server(|| connection::current().unwrap());
            let held =
                |one: &connection::Connection| one.tuple.local.port() == port && one.inode != 0;
            current.iter().any(held).then_some(())
        });
        stream.unwrap()
    };
    let old = login(8080);
    let known = lab.record();
    let _to_old = connect(8080);
    assert!(matches!(
        lab.refusal(old.pid, &known),
        Refusal::OldConnection { .. }
    ));
    let new = login(8081);
    let _to_new = connect(8081);
    accepted(lab.judge(new.pid, &known, None), Via::Ssh);
}

#[test]
fn a_reused_port_is_not_taken_for_the_connection_it_had() {
    let lab = Lab::new();
    let from = "198.51.100.7:45000".parse::<SocketAddr>().unwrap();
    let to = format!("{SERVER_V4}:22").parse::<SocketAddr>().unwrap();
    let connect = || lab.client.enter(|| lab::connect_from(from, to)).unwrap();
    let at_server = || {
        eventually("the connection", || {
            let current = lab.in_server(|| connection::current().unwrap());
            current
                .into_iter()
                .find(|one| one.tuple == Tuple::new(to, from) && one.inode != 0)
        })
    };
    let first = connect();
    let before = at_server();
    let known = lab.record();
    assert!(known.contains(&before));
    drop(first);
    let _second = connect();
    let after = eventually("another socket", || {
        let now = at_server();
        (now.inode != before.inode).then_some(now)
    });
    assert_eq!(after.tuple, before.tuple);
    assert!(!known.contains(&after));
}
