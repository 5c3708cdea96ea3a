//! The connection that stays open while the rules change.

use std::net::SocketAddr;

use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::probe::Outcome::{self, Answered, Rejected, Silence};
use safe_apply::rehearsal::probe::{OldSession, Unwitnessed};

use crate::lab::{DEADLINE, HOST, HOST_V6, Lab, USER, USER_V6, address, inbound, waits};

const CLIENT_PORT: u16 = 51515;
/// Conntrack is at work before the change.
const TRACKED: &str = "table inet old {\n chain c {\n type filter hook input priority 0;\n ct state established,related accept;\n }\n}\n";

fn ends(v6: bool) -> (SocketAddr, SocketAddr) {
    let (user, host) = if v6 { (USER_V6, HOST_V6) } else { (USER, HOST) };
    (address(user, CLIENT_PORT), address(host, 22))
}

async fn open(lab: &Lab, v6: bool) -> Result<OldSession, Outcome> {
    let (client, server) = ends(v6);
    OldSession::open(&lab.world, client, server, Some("out0"), DEADLINE).await
}

/// Opens sessions under `before`, loads `change`; what becomes of: what is typed, what is said by the server,
/// what is typed after that.
fn after(before: &str, change: &str) -> [[Outcome; 3]; 2] {
    [false, true].map(|v6| {
        let lab = Lab::new();
        lab.rules(before);
        waits(async {
            let mut session = open(&lab, v6).await.unwrap();
            let (client, server) = ends(v6);
            assert_eq!(
                (session.flow().source, session.flow().destination),
                (client, server)
            );
            let audience = lab.listening.as_ref().unwrap();
            let nobody = &mut Unwitnessed;
            assert_eq!(session.is_alive(DEADLINE, nobody).await.outcome, Answered);
            assert_eq!(
                session.hears(audience, DEADLINE, nobody).await.outcome,
                Answered
            );
            lab.rules(change);
            let typed = session.is_alive(DEADLINE, nobody).await;
            let said = session.hears(audience, DEADLINE, nobody).await;
            let again = session.is_alive(DEADLINE * 4, nobody).await;
            assert_eq!(typed.flow, session.flow());
            [typed.outcome, said.outcome, again.outcome]
        })
    })
}

fn same(outcomes: [Outcome; 3]) -> [[Outcome; 3]; 2] {
    [outcomes.clone(), outcomes]
}

fn input(rules: &str) -> String {
    format!(
        "flush ruleset\ntable inet new {{\n chain c {{\n type filter hook input priority 0; policy drop;\n icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept;\n {rules}\n }}\n}}\n"
    )
}

#[test]
fn it_lives_where_established_connections_are_accepted() {
    let change = input("ct state established,related accept;");
    assert_eq!(
        after(TRACKED, &change),
        same([Answered, Answered, Answered])
    );
}

#[test]
fn it_dies_where_nothing_accepts_it() {
    let change = input("tcp dport 2222 accept;");
    // The way out is open still, but the user is not heard any more.
    assert_eq!(after(TRACKED, &change), same([Silence, Answered, Silence]));
}

#[test]
fn it_is_reset_for_good() {
    let change = input("tcp dport 22 reject with tcp reset;");
    let all = after(TRACKED, &change);
    for outcomes in all {
        assert_eq!(outcomes[0], Rejected);
        assert!(!outcomes.contains(&Answered), "{outcomes:?}");
    }
}

#[test]
fn who_sends_first_decides_where_it_was_not_tracked_before() {
    // What the user types begins a connection that is not accepted; what the server says, one whose answers are.
    let change = input("ct state established,related accept;");
    assert_eq!(after("", &change), same([Silence, Answered, Answered]));
}

#[test]
fn a_rule_that_takes_the_answers_ends_it() {
    let change = "table inet out {\n chain c {\n type filter hook output priority 0;\n tcp sport 22 drop;\n }\n}\n";
    assert_eq!(after("", change), same([Silence, Silence, Silence]));
}

#[test]
fn it_is_dialled_where_the_user_dials() {
    let lab = Lab::new();
    lab.rules("table inet nat {\n chain pre {\n type nat hook prerouting priority -100;\n tcp dport 2222 redirect to :22;\n }\n}\n");
    waits(async {
        let (client, server) = (address(USER, CLIENT_PORT), address(HOST, 2222));
        let device = Some("out0");
        let opened = OldSession::open(&lab.world, client, server, device, DEADLINE).await;
        let mut session = opened.unwrap();
        assert_eq!(
            session.is_alive(DEADLINE, &mut Unwitnessed).await.outcome,
            Answered
        );
        // A new login from the same address has another port.
        assert_eq!(session.flow().source.port(), CLIENT_PORT);
    });
}

#[test]
fn probes_and_the_session_do_not_mind_each_other() {
    let lab = Lab::new();
    waits(async {
        let mut session = open(&lab, false).await.unwrap();
        let probes = vec![inbound(Protocol::Tcp, USER, HOST, 22); 10];
        let nobody = &mut Unwitnessed;
        let answers =
            safe_apply::rehearsal::probe::run(&probes, &lab.server, &lab.world, DEADLINE, nobody)
                .await;
        assert!(
            answers.iter().all(|answer| answer.outcome == Answered),
            "{answers:?}"
        );
        assert_eq!(session.is_alive(DEADLINE, nobody).await.outcome, Answered);
    });
}

#[test]
fn it_is_not_opened_where_the_rules_forbid_it() {
    for (rules, expected) in [
        ("tcp dport 22 drop;", Silence),
        ("tcp dport 22 reject with tcp reset;", Rejected),
        ("tcp dport 22 reject;", Rejected),
    ] {
        let lab = Lab::new();
        lab.rules(&input(rules));
        let refused = waits(async { open(&lab, false).await.unwrap_err() });
        assert_eq!(refused, expected, "{rules}");
    }
}
