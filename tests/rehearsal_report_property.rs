//! Whatever a report holds, its text fits the page and steers no terminal.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod rehearsal_report_support;

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use rehearsal_report_support::*;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::report::{
    Advice, Asked, Decision, Direction, Look, Peer, Remedy, Report, Requirement, Row, Session,
    Standing, Verdict, render,
};
use textwrap::core::display_width;

/// What marks a line that is there to be pasted.
const PASTE: &str = "PASTE";

/// Names and rules: short and long, with spaces and without, wide letters, control characters.
fn words() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z]{0,12}",
        "[-a-z0-9.:/ ]{0,150}",
        "[a-f0-9:]{90,120}",
        "[防火墙é€\u{1b}\u{7}\u{202e}\u{f7fc}\t\n a-z]{0,90}",
        any::<String>(),
    ]
    .boxed()
}

fn address() -> BoxedStrategy<IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u16; 8]>().prop_map(IpAddr::from),
        Just("2001:db8::7".parse().unwrap()),
    ]
    .boxed()
}

fn by() -> BoxedStrategy<Option<Decision>> {
    let decision = (words(), words(), any::<Option<usize>>(), any::<bool>()).prop_map(
        |(chain, text, number, reply)| {
            let mut decision = rule(1, 1, &text);
            decision.spot.chain = chain;
            decision.spot.rule = number;
            decision.spot.reply = reply;
            decision
        },
    );
    proptest::option::of(decision).boxed()
}

fn standing() -> BoxedStrategy<Standing> {
    prop_oneof![
        Just(Standing::Open),
        by().prop_map(|by| Standing::Blocked { by }),
        by().prop_map(|by| Standing::Rejected { by }),
        words().prop_map(|reason| Standing::NotRehearsed { reason }),
    ]
    .boxed()
}

fn row() -> BoxedStrategy<Row> {
    let ends = (address(), address(), any::<u16>());
    let kind = (
        prop_oneof![Just(Direction::In), Just(Direction::Out)],
        prop_oneof![
            Just(Protocol::Tcp),
            Just(Protocol::Udp),
            Just(Protocol::Icmp)
        ],
        prop_oneof![
            Just(Peer::You),
            Just(Peer::Stranger),
            Just(Peer::Named),
            Just(Peer::Loopback)
        ],
    );
    let found = (
        proptest::option::of(words()),
        proptest::option::of(standing()),
        standing(),
    );
    (ends, kind, found)
        .prop_map(|(ends, kind, found)| Row {
            direction: kind.0,
            protocol: kind.1,
            port: ends.2,
            local: ends.0,
            peer: kind.2,
            peer_address: ends.1,
            what: found.0,
            before: found.1,
            after: found.2,
        })
        .boxed()
}

fn session_of() -> BoxedStrategy<Session> {
    let ends = (address(), any::<u16>(), address(), any::<u16>());
    let found = (
        standing(),
        proptest::option::of(standing()),
        standing(),
        proptest::option::of(words()),
    );
    let remedy = (words(), words()).prop_map(|(place, line)| Remedy {
        lines: vec![format!("{PASTE} {line}")],
        place,
    });
    (ends, found, proptest::option::of(remedy))
        .prop_map(|(ends, found, remedy)| Session {
            peer: SocketAddr::new(ends.0, ends.1),
            local: SocketAddr::new(ends.2, ends.3),
            interface: found.3,
            old: found.0,
            login_before: found.1,
            login: found.2,
            remedy,
        })
        .boxed()
}

fn requirement() -> BoxedStrategy<Requirement> {
    let standings = proptest::collection::vec((address(), standing()), 0..4);
    (words(), any::<Option<bool>>(), standings)
        .prop_map(|(text, met, standings)| Requirement {
            text,
            met,
            standings,
        })
        .boxed()
}

prop_compose! {
    fn report()(
        verdict in prop_oneof![
            Just(Verdict::Safe), Just(Verdict::Lockout), Just(Verdict::Unmet), Just(Verdict::Unknown)
        ],
        session in proptest::option::of(session_of()),
        rows in proptest::collection::vec(row(), 0..60),
        requirements in proptest::collection::vec(requirement(), 0..4),
        way_back in any::<Option<bool>>(),
        advice in proptest::collection::vec(
            (proptest::option::of(words()), any::<Option<usize>>(), words()), 0..4
        ),
        not_rehearsed in proptest::collection::vec(words(), 0..6),
        milliseconds in any::<u64>(),
    ) -> Report {
        let advice = advice
            .into_iter()
            .map(|(file, line, message)| Advice { file, line, message })
            .collect();
        Report {
            verdict, session, rows, requirements, way_back, advice, not_rehearsed, milliseconds,
        }
    }
}

fn asked() -> BoxedStrategy<Asked> {
    prop_oneof![
        Just(Asked::Check),
        Just(Asked::Live),
        Just(Asked::Apply),
        Just(Asked::Forced)
    ]
    .boxed()
}

/// `text` without the sequences that colour it.
fn uncoloured(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = sequence.find(|letter: char| letter != ';' && !letter.is_ascii_digit());
        let end = end.unwrap();
        assert!(
            sequence[end..].starts_with('m'),
            "{sequence:?} is no colour"
        );
        rest = &sequence[end + 1..];
    }
    plain.push_str(rest);
    plain
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn no_line_is_wider_than_the_page(
        report in report(), asked in asked(), width in prop_oneof![Just(80_usize), 40..200_usize],
        all in any::<bool>(),
    ) {
        let text = render(&report, asked, Look { width, colour: false, all });
        for line in text.lines().filter(|line| !line.contains(PASTE)) {
            prop_assert!(display_width(line) <= width, "{} of {width} columns: {line:?}", display_width(line));
        }
    }

    #[test]
    fn without_colour_nothing_steers_the_terminal(report in report(), asked in asked()) {
        let text = render(&report, asked, PLAIN);
        let control = |letter: &char| letter.is_control() && *letter != '\n';
        prop_assert_eq!(text.chars().find(control), None);
        prop_assert_eq!(text.find('\u{202e}'), None);
    }

    #[test]
    fn colour_changes_no_letter(report in report(), asked in asked()) {
        let coloured = render(&report, asked, Look { colour: true, ..PLAIN });
        prop_assert!(coloured.contains("\x1b["));
        prop_assert_eq!(uncoloured(&coloured), render(&report, asked, PLAIN));
    }

    #[test]
    fn the_line_to_paste_is_in_one_piece(mut report in report(), line in "[-a-z0-9 ./]{0,200}") {
        let mut session = session();
        let line = format!("{PASTE} {line}");
        session.remedy = Some(Remedy { lines: vec![line.clone()], place: String::new() });
        report.session = Some(session);
        let text = render(&report, Asked::Check, PLAIN);
        let indented = format!("    {line}");
        prop_assert!(text.lines().any(|one| one == indented), "not in\n{}", text);
    }

    #[test]
    fn every_lost_service_is_shown(ports in proptest::collection::btree_set(1..u16::MAX, 1..60)) {
        let mut report = safe();
        report.rows.clear();
        for port in &ports {
            report.rows.extend(both(*port, "app", &Standing::Open, &blocked()));
        }
        for asked in [Asked::Check, Asked::Apply, Asked::Forced] {
            let text = render(&report, asked, PLAIN);
            for port in &ports {
                let shown = text.lines().any(|line| line.starts_with(&format!("! tcp/{port} ")) && line.contains("open -> BLOCKED"));
                prop_assert!(shown, "tcp/{port} is not in\n{text}");
            }
        }
    }
}
