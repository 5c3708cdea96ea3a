//! Reports made up for the tests.

#![allow(clippy::unwrap_used, dead_code)] // helpers of tests are not seen as tests

use safe_apply::checkpoint::Part;
use safe_apply::nftables::TableId;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::decide::Spot;
use safe_apply::rehearsal::report::{
    Advice, Asked, Decision, Direction, Look, Peer, Remedy, Report, Requirement, Row, Session,
    Standing, Verdict, render,
};

/// 80 columns, no colour.
pub const PLAIN: Look = Look {
    width: 80,
    colour: false,
    all: false,
};

/// A rule of the candidate.
pub fn rule(number: usize, line: usize, text: &str) -> Decision {
    Decision {
        spot: Spot {
            part: Part::Nft(TableId {
                family: 2,
                name: "filter".to_owned(),
            }),
            chain: "INPUT".to_owned(),
            rule: Some(number),
            reply: false,
        },
        text: text.to_owned(),
        file: Some("rules.v4".to_owned()),
        line: Some(line),
    }
}

/// Dropped by a rule.
pub fn blocked() -> Standing {
    Standing::Blocked {
        by: Some(rule(4, 12, "-A INPUT -j DROP")),
    }
}

/// Rejected by a rule.
pub fn rejected() -> Standing {
    Standing::Rejected {
        by: Some(rule(
            7,
            15,
            "-A INPUT -j REJECT --reject-with icmp-port-unreachable",
        )),
    }
}

/// Not known.
pub fn unknown(reason: &str) -> Standing {
    Standing::NotRehearsed {
        reason: reason.to_owned(),
    }
}

/// A row about a TCP service of this host over IPv4.
pub fn service(port: u16, what: &str, peer: Peer, before: Standing, after: Standing) -> Row {
    let peer_address = match peer {
        Peer::You => "203.0.113.7",
        Peer::Stranger => "192.0.2.250",
        Peer::Named => "198.51.100.77",
        Peer::Loopback => "127.0.0.1",
    };
    Row {
        direction: Direction::In,
        protocol: Protocol::Tcp,
        port,
        local: "198.51.100.2".parse().unwrap(),
        peer,
        peer_address: peer_address.parse().unwrap(),
        what: Some(what.to_owned()),
        before: Some(before),
        after,
    }
}

/// The same from the user's address and from a stranger's.
pub fn both(port: u16, what: &str, before: &Standing, after: &Standing) -> [Row; 2] {
    [Peer::You, Peer::Stranger].map(|peer| service(port, what, peer, before.clone(), after.clone()))
}

/// The same over IPv6.
pub fn six(row: Row) -> Row {
    Row {
        local: "2001:db8:51::2".parse().unwrap(),
        peer_address: "2001:db8:203::7".parse().unwrap(),
        ..row
    }
}

/// Something that the host needs.
pub fn need(protocol: Protocol, port: u16, what: &str, address: &str, after: Standing) -> Row {
    let peer_address: std::net::IpAddr = address.parse().unwrap();
    let local = if peer_address.is_ipv6() {
        "2001:db8:51::2"
    } else {
        "198.51.100.2"
    };
    Row {
        direction: Direction::Out,
        protocol,
        port,
        local: local.parse().unwrap(),
        peer: Peer::Named,
        peer_address,
        what: Some(what.to_owned()),
        before: Some(Standing::Open),
        after,
    }
}

/// A session over IPv4 that survives and whose login gets in.
pub fn session() -> Session {
    Session {
        peer: "203.0.113.7:51234".parse().unwrap(),
        local: "198.51.100.2:22".parse().unwrap(),
        interface: Some("eth0".to_owned()),
        old: Standing::Open,
        login_before: Some(Standing::Open),
        login: Standing::Open,
        remedy: None,
    }
}

/// A report that finds nothing wrong.
pub fn safe() -> Report {
    Report {
        verdict: Verdict::Safe,
        session: Some(session()),
        rows: [
            both(22, "sshd", &Standing::Open, &Standing::Open).to_vec(),
            both(443, "nginx", &Standing::Open, &Standing::Open).to_vec(),
            vec![need(
                Protocol::Udp,
                53,
                "resolver",
                "203.0.113.53",
                Standing::Open,
            )],
        ]
        .concat(),
        requirements: Vec::new(),
        way_back: Some(true),
        advice: Vec::new(),
        not_rehearsed: Vec::new(),
        milliseconds: 183,
    }
}

/// A report that finds a bit of everything.
pub fn lockout() -> Report {
    let mut session = session();
    session.login = blocked();
    session.remedy = Some(Remedy {
        lines: vec!["-A INPUT -s 203.0.113.7/32 -i eth0 -p tcp -m tcp --dport 22 -m comment --comment \"login\" -j ACCEPT".to_owned()],
        place: "before line 12 of rules.v4".to_owned(),
    });
    let forwarded = unknown("tcp/8080 is forwarded to 10.0.0.5 (DNAT), where nobody was rehearsed");
    let mut rows = Vec::new();
    rows.extend(both(22, "sshd", &Standing::Open, &blocked()));
    rows.extend(both(22, "sshd", &Standing::Open, &Standing::Open).map(six));
    rows.extend(both(25, "master", &blocked(), &rejected()));
    rows.push(service(
        443,
        "nginx",
        Peer::You,
        Standing::Open,
        Standing::Open,
    ));
    rows.push(service(
        443,
        "nginx",
        Peer::Stranger,
        blocked(),
        Standing::Open,
    ));
    rows.extend(both(8080, "docker-proxy", &Standing::Open, &forwarded));
    rows.push(need(
        Protocol::Udp,
        53,
        "resolver",
        "203.0.113.53",
        Standing::Open,
    ));
    rows.push(need(
        Protocol::Icmp,
        0,
        "default gateway",
        "198.51.100.1",
        Standing::Open,
    ));
    let mut mirror = need(
        Protocol::Tcp,
        443,
        "package mirrors",
        "192.0.2.9",
        blocked(),
    );
    mirror.peer = Peer::Stranger;
    rows.push(mirror);
    let mut loopback = service(
        5432,
        "postgres",
        Peer::Loopback,
        Standing::Open,
        Standing::Open,
    );
    loopback.local = "127.0.0.1".parse().unwrap();
    rows.push(loopback);
    Report {
        verdict: Verdict::Lockout,
        session: Some(session),
        rows,
        requirements: vec![
            Requirement {
                text: "tcp/443".to_owned(),
                met: Some(true),
                standings: vec![("198.51.100.2".parse().unwrap(), Standing::Open)],
            },
            Requirement {
                text: "tcp/22@198.51.100.77".to_owned(),
                met: Some(false),
                standings: vec![
                    ("198.51.100.2".parse().unwrap(), blocked()),
                    ("2001:db8:51::2".parse().unwrap(), Standing::Open),
                ],
            },
        ],
        way_back: Some(true),
        advice: vec![Advice {
            file: Some("rules.v4".to_owned()),
            line: Some(3),
            message: "the chain DOCKER, which Docker made, would be wiped; restart Docker afterwards, or apply with --noflush".to_owned(),
        }],
        not_rehearsed: vec!["policy routing: 2 rules of this host (ip rule) are left out".to_owned()],
        milliseconds: 241,
    }
}

/// In words, 80 columns wide.
pub fn text(report: &Report, asked: Asked) -> String {
    render(report, asked, PLAIN)
}

/// Asserts that `text` has `expected` in it.
#[track_caller]
pub fn has(text: &str, expected: &str) {
    assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
}

/// Asserts that `text` does not have `unexpected` in it.
#[track_caller]
pub fn has_not(text: &str, unexpected: &str) {
    assert!(!text.contains(unexpected), "{unexpected:?} is in:\n{text}");
}
