//! The test itself is tested: a predictor that knows the truth passes, each lie is found.

use std::net::{IpAddr, SocketAddr};
use std::thread;

use safe_apply::candidate::Resolved;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::report::{Direction, Peer, Report, Row, Session, Standing, Verdict};

use crate::case::{Case, File, Tool};
use crate::compare::{Guess, Kind};
use crate::lab::{
    GATEWAY, HOST, HOST_INSIDE, HOST_V6, RESOLVER, RESOLVER_V6, USER, USER_INSIDE, USER_V6,
    on_a_host,
};
use crate::many::Job;
use crate::measure::{Truth, measure};
use crate::predict::{Predictor, stub};
use crate::probe::{PATIENT, QUICK, Seen};
use crate::session::{Front, Session as Held, Speaker};
use crate::tally::Tally;
use crate::truth::{Manner, expected_services, load, services};

const V4: Tool = Tool::Iptables(Resolved::Nft);
const V6: Tool = Tool::Ip6tables(Resolved::Nft);

fn row(
    direction: Direction,
    protocol: Protocol,
    port: u16,
    ends: (IpAddr, IpAddr),
    peer: Peer,
) -> Row {
    Row {
        direction,
        protocol,
        port,
        local: ends.0,
        peer,
        peer_address: ends.1,
        what: None,
        before: None,
        after: Standing::Open,
    }
}

/// What a report about the lab asks.
fn rows() -> Vec<Row> {
    let stranger: IpAddr = "192.0.2.77".parse().unwrap();
    let stranger_v6: IpAddr = "2001:db8:99::77".parse().unwrap();
    let mut rows = Vec::new();
    for (protocol, local) in expected_services() {
        let (host, port) = (local.ip(), local.port());
        let peers = match host {
            HOST => vec![(Peer::You, USER), (Peer::Stranger, stranger)],
            HOST_V6 => vec![(Peer::You, USER_V6), (Peer::Stranger, stranger_v6)],
            _ => vec![(Peer::Named, USER_INSIDE), (Peer::Stranger, stranger)],
        };
        for (peer, address) in peers {
            rows.push(row(Direction::In, protocol, port, (host, address), peer));
        }
    }
    let here = IpAddr::from([127, 0, 0, 1]);
    rows.push(row(
        Direction::In,
        Protocol::Tcp,
        3306,
        (here, here),
        Peer::Loopback,
    ));
    for (protocol, port, ends) in [
        (Protocol::Udp, 53, (HOST, RESOLVER)),
        (Protocol::Udp, 53, (HOST_V6, RESOLVER_V6)),
        (Protocol::Tcp, 443, (HOST, stranger)),
        (Protocol::Tcp, 443, (HOST_V6, stranger_v6)),
        (Protocol::Icmp, 0, (HOST, GATEWAY)),
        (Protocol::Icmp, 0, (HOST_V6, stranger_v6)),
    ] {
        rows.push(row(Direction::Out, protocol, port, ends, Peer::Stranger));
    }
    rows
}

pub fn case() -> Case {
    let candidate = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n\
        -A INPUT -i lo -j ACCEPT\n\
        -A INPUT -p tcp -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
        -A INPUT -p tcp --dport 80 -j ACCEPT\n\
        -A INPUT -p tcp --dport 443 -j REJECT\n\
        -A INPUT -p tcp --dport 8080 -j REJECT --reject-with tcp-reset\n\
        -A INPUT -s 198.51.100.1 -p udp --dport 53 -j ACCEPT\n\
        -A INPUT -p udp --dport 51820 -j REJECT --reject-with icmp-host-unreachable\n\
        -A OUTPUT -p icmp --icmp-type echo-request -j DROP\nCOMMIT\n";
    let candidate_v6 = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n\
        -A INPUT -p tcp --dport 443 -j REJECT --reject-with icmp6-adm-prohibited\n\
        -A INPUT -s 2001:db8:99::/64 -j DROP\n\
        -A OUTPUT -p udp --dport 53 -j REJECT\nCOMMIT\n";
    Case {
        name: "known".into(),
        // Rules that ask for the state of connections make the kernel track them.
        live: vec![File::new(
            V4,
            "*filter\n-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\nCOMMIT\n",
        )],
        candidate: vec![File::new(V4, candidate), File::new(V6, candidate_v6)],
        user: USER,
        server: SocketAddr::new(HOST, 22),
    }
}

fn standing(seen: Seen) -> Standing {
    match seen {
        Seen::Open => Standing::Open,
        Seen::Rejected => Standing::Rejected { by: None },
        Seen::Blocked => Standing::Blocked { by: None },
    }
}

/// The report of somebody who has looked.
fn honest(case: &Case) -> Report {
    let mut rows = rows();
    let manner = Manner {
        front: Front::Echo,
        patience: PATIENT,
        before: false,
        first: Speaker::Host,
    };
    let truth: Truth = on_a_host(|lab| {
        services(lab, manner.front);
        load(&case.live).unwrap();
        let mut session = Held::open(lab, manner.front, case.user, case.server).unwrap();
        load(&case.candidate).unwrap();
        measure(lab, case, Some(&mut session), &rows, manner)
    });
    for (row, seen) in rows.iter_mut().zip(&truth.rows) {
        row.after = standing(*seen);
    }
    Report {
        verdict: match truth.login {
            Seen::Open => Verdict::Safe,
            Seen::Rejected | Seen::Blocked => Verdict::Lockout,
        },
        session: Some(Session {
            peer: SocketAddr::new(case.user, 0),
            local: case.server,
            interface: None,
            old: standing(truth.session.unwrap()),
            login_before: None,
            login: standing(truth.login),
            remedy: None,
        }),
        rows,
        requirements: vec![],
        way_back: Some(true),
        advice: vec![],
        not_rehearsed: vec![],
        milliseconds: 0,
    }
}

/// Tries the case with a predictor that says `report`.
fn try_with(report: &Report, exit: i32) -> (Tally, Result<(), String>) {
    let tally = Tally::default();
    let result = on_a_host(|lab| {
        let predictor: Predictor = stub(lab, exit, report);
        let job = Job {
            case: case(),
            front: Front::Echo,
            before: false,
        };
        tally.try_job(&job, &predictor).map(drop)
    });
    (tally, result)
}

#[test]
fn who_knows_the_truth_passes_and_every_lie_is_found() {
    let report = honest(&case());
    let find = |protocol, port, local: IpAddr, peer| {
        let wanted = |row: &&Row| {
            (row.protocol, row.port, row.local, row.peer) == (protocol, port, local, peer)
        };
        report.rows.iter().find(wanted).unwrap().after.clone()
    };
    // What was seen is what the rules say.
    let blocked = Standing::Blocked { by: None };
    let rejected = Standing::Rejected { by: None };
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    for (protocol, port, local, peer, expected) in [
        (tcp, 80, HOST, Peer::Stranger, &Standing::Open),
        (tcp, 80, HOST_INSIDE, Peer::Named, &Standing::Open),
        (tcp, 22, HOST, Peer::Stranger, &blocked),
        (tcp, 443, HOST, Peer::You, &rejected),
        (tcp, 8080, HOST, Peer::You, &rejected),
        (udp, 53, HOST, Peer::You, &Standing::Open),
        (udp, 53, HOST, Peer::Stranger, &blocked),
        (udp, 51820, HOST, Peer::You, &rejected),
        (tcp, 22, HOST_V6, Peer::You, &Standing::Open),
        (tcp, 22, HOST_V6, Peer::Stranger, &blocked),
        (tcp, 443, HOST_V6, Peer::You, &rejected),
        (udp, 51820, HOST_V6, Peer::You, &Standing::Open),
        (
            tcp,
            3306,
            IpAddr::from([127, 0, 0, 1]),
            Peer::Loopback,
            &Standing::Open,
        ),
        (tcp, 443, HOST, Peer::Stranger, &rejected),
        (Protocol::Icmp, 0, HOST, Peer::Stranger, &blocked),
    ] {
        let seen = find(protocol, port, local, peer);
        assert_eq!(&seen, expected, "{protocol}/{port} {local} {peer:?}");
    }
    let session = report.session.as_ref().unwrap();
    assert_eq!((&session.old, &session.login), (&Standing::Open, &blocked));

    let (tally, result) = try_with(&report, 5);
    result.unwrap();
    assert_eq!(tally.compared(), 1);
    assert_eq!(tally.of(Kind::Login, Guess::Blocked, Seen::Blocked), 1);
    println!("{}", tally.table("the truth about one case"));

    type Lie = (&'static str, fn(&mut Report));
    let lies: [Lie; 5] = [
        ("WRONG OPEN: Login", |report| {
            report.session.as_mut().unwrap().login = Standing::Open;
        }),
        ("WRONG BLOCKED: Session", |report| {
            report.session.as_mut().unwrap().old = Standing::Blocked { by: None };
        }),
        ("WRONG OPEN: In", |report| {
            let row = report
                .rows
                .iter_mut()
                .find(|row| row.peer == Peer::Stranger && row.port == 22 && row.local == HOST);
            row.unwrap().after = Standing::Open;
        }),
        ("MIXED UP: In", |report| {
            let row = report.rows.iter_mut().find(|row| row.port == 8080);
            row.unwrap().after = Standing::Blocked { by: None };
        }),
        ("WRONG BLOCKED: Loopback", |report| {
            let row = report
                .rows
                .iter_mut()
                .find(|row| row.peer == Peer::Loopback);
            row.unwrap().after = Standing::Blocked { by: None };
        }),
    ];
    thread::scope(|scope| {
        for (complaint, tell) in lies {
            let mut lie = report.clone();
            tell(&mut lie);
            scope.spawn(move || {
                let said = try_with(&lie, 5).1.unwrap_err();
                assert!(said.contains(complaint), "{complaint} is not in: {said}");
                assert!(said.contains("--dport 8080"), "no rules in: {said}");
            });
        }
        // A verdict, or an exit status, that the rows do not bear out.
        let mut lie = report.clone();
        lie.verdict = Verdict::Safe;
        scope.spawn(move || assert!(try_with(&lie, 0).1.unwrap_err().contains("called safe")));
        let truth = report.clone();
        scope.spawn(move || assert!(try_with(&truth, 0).1.unwrap_err().contains("exit status")));
    });
}

#[test]
fn quick_is_shorter_than_the_first_retransmission() {
    assert!(QUICK < std::time::Duration::from_secs(1) && PATIENT > QUICK * 2);
}
