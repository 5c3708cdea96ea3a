//! The report of a rehearsal in words.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod rehearsal_report_support;

use rehearsal_report_support::*;
use safe_apply::rehearsal::report::{Asked, Report, Requirement, Standing, Verdict, line};

/// The same about rules that are live already.
fn live(mut report: Report) -> Report {
    for row in &mut report.rows {
        row.before = None;
    }
    if let Some(session) = &mut report.session {
        session.login_before = None;
    }
    report.way_back = None;
    report
}

#[test]
fn all_of_a_lockout() {
    assert_eq!(
        text(&lockout(), Asked::Check),
        r#"LOCKOUT: with these rules no new login from 203.0.113.7 gets in.
The live rules are untouched.

Login from 203.0.113.7 port 51234 to 198.51.100.2 port 22, by eth0
  open session    survives
  new login       does not get in: blocked (it does now)
                  by rule 4 of chain INPUT, table ip filter (rules.v4:12):
                    -A INPUT -j DROP

  What would help, before line 12 of rules.v4:
    -A INPUT -s 203.0.113.7/32 -i eth0 -p tcp -m tcp --dport 22 -m comment --comment "login" -j ACCEPT

Services of this host           from you             from anyone
! tcp/22    sshd          IPv4  open -> BLOCKED      open -> BLOCKED
? tcp/8080  docker-proxy  IPv4  open -> ?[1]         open -> ?[1]
+ tcp/443   nginx         IPv4  open                 blocked -> open
~ tcp/25    master        IPv4  blocked -> rejected  blocked -> rejected
  tcp/22    sshd          IPv6  open                 open

What this host needs
! tcp/443   package mirrors  any host, IPv4     open -> BLOCKED
  udp/53    resolver         203.0.113.53       open
  icmp      default gateway  198.51.100.1       open
  tcp/5432  postgres         127.0.0.1 over lo  open

Marks: ! lost, + gained, ? unknown before or after, ~ closed in another way.

What stops them
  rule 4 of chain INPUT, table ip filter (rules.v4:12): -A INPUT -j DROP
      tcp/22 IPv4, tcp/443 IPv4

Required
  tcp/443: open over IPv4
! tcp/22@198.51.100.77: blocked over IPv4, open over IPv6
      by rule 4 of chain INPUT, table ip filter (rules.v4:12): -A INPUT -j DROP

The way back: restored over these rules, those of now compare equal.

Advice
  rules.v4:3: the chain DOCKER, which Docker made, would be wiped; restart
      Docker afterwards, or apply with --noflush

Not rehearsed
  [1]   tcp/8080 is forwarded to 10.0.0.5 (DNAT), where nobody was rehearsed
  -     policy routing: 2 rules of this host (ip rule) are left out

Rehearsed in 241 ms: 14 probes, 8 changes.
"#
    );
}

#[test]
fn an_apply_that_is_fine_takes_two_lines() {
    assert_eq!(
        text(&safe(), Asked::Apply),
        "SAFE: with these rules a new login from 203.0.113.7 gets in.\n\
         The live rules are untouched. Rehearsed in 183 ms: 5 probes, no change.\n"
    );
}

#[test]
fn an_apply_that_goes_on_shows_only_what_changes() {
    let mut report = safe();
    report
        .rows
        .extend(both(80, "nginx", &blocked(), &Standing::Open));
    report.advice = lockout().advice;
    report.not_rehearsed = (1..=5).map(|it| format!("the thing {it}")).collect();
    let text = text(&report, Asked::Apply);
    has(
        &text,
        "+ tcp/80  nginx  IPv4  blocked -> open  blocked -> open\n",
    );
    has(&text, "7 probes, 2 changes");
    has(&text, "rules.v4:3: the chain DOCKER");
    has(&text, "the thing 3\n  and 2 more (check lists them)");
    for folded in [
        "tcp/443",
        "resolver",
        "open session",
        "way back",
        "the thing 4",
    ] {
        has_not(&text, folded);
    }
}

#[test]
fn a_refused_apply_shows_everything_and_how_to_go_on() {
    let refused = text(&lockout(), Asked::Apply);
    has(
        &refused,
        "\nRefused. The live rules are untouched; --force applies these all the same.\n",
    );
    let check = text(&lockout(), Asked::Check);
    assert_eq!(
        refused.lines().skip(2).collect::<Vec<_>>(),
        check.lines().skip(2).collect::<Vec<_>>()
    );
}

#[test]
fn force_is_told_with_the_verdict_it_overrides() {
    let text = text(&lockout(), Asked::Forced);
    assert!(text.starts_with("LOCKOUT: "), "{text}");
    has(&text, "The live rules are untouched; going on by force.");
    has(&text, "! tcp/22    sshd");
    has_not(&text, "resolver");
}

#[test]
fn a_session_that_is_cut_off_is_told_where_the_login_gets_in() {
    let mut report = safe();
    let mut by = rule(2, 7, "-A OUTPUT -m state --state NEW -j DROP");
    by.spot.chain = "OUTPUT".to_owned();
    by.spot.reply = true;
    report.session.as_mut().unwrap().old = Standing::Blocked { by: Some(by) };
    for asked in [Asked::Check, Asked::Apply] {
        let text = text(&report, asked);
        has(
            &text,
            "gets in. But the session\nthat is open now is cut off.",
        );
        has(&text, "  open session    is cut off: blocked\n");
        has(
            &text,
            "the answer, by rule 2 of chain OUTPUT, table ip filter\n",
        );
    }
}

#[test]
fn what_is_required_and_blocked_is_named_first() {
    let mut report = lockout();
    report.verdict = Verdict::Unmet;
    let check = text(&report, Asked::Check);
    assert!(
        check.starts_with("BLOCKED by these rules, but required: tcp/22@198.51.100.77.\n"),
        "{check}"
    );
    has(&text(&report, Asked::Apply), "\nRefused. ");
}

#[test]
fn a_requirement_that_was_not_rehearsed_is_not_called_open() {
    let mut report = safe();
    report.requirements = vec![
        Requirement {
            text: "udp/53".to_owned(),
            met: None,
            standings: vec![
                ("198.51.100.2".parse().unwrap(), Standing::Open),
                (
                    "198.51.100.3".parse().unwrap(),
                    unknown("no program listens there"),
                ),
            ],
        },
        Requirement {
            text: "tcp/25".to_owned(),
            met: None,
            standings: Vec::new(),
        },
    ];
    for asked in [Asked::Check, Asked::Apply] {
        let text = text(&report, asked);
        has(
            &text,
            "? udp/53: open over 198.51.100.2, ?[1] over 198.51.100.3\n",
        );
        has(&text, "? tcp/25: not rehearsed\n");
        has(&text, "  [1]   no program listens there\n");
    }
}

#[test]
fn without_an_answer_it_is_said_why() {
    let mut report = safe();
    report.verdict = Verdict::Unknown;
    report.rows.clear();
    report.session.as_mut().unwrap().login = unknown("the login is forwarded");
    report.session.as_mut().unwrap().old = unknown("the login is forwarded");
    let sentence = "UNKNOWN: whether you get in with these rules could not be rehearsed: the login\nis forwarded.\nThe live rules are untouched.";
    has(&text(&report, Asked::Apply), sentence);
    has(
        &text(&report, Asked::Check),
        "  new login       not rehearsed: the login is forwarded\n",
    );
    report.session = None;
    report.not_rehearsed = vec!["no right to make a network namespace".to_owned()];
    for asked in [Asked::Apply, Asked::Check] {
        let text = text(&report, asked).replace('\n', " ");
        has(
            &text,
            "could not be rehearsed: no right to make a network namespace. ",
        );
    }
    report.not_rehearsed.clear();
    has(&text(&report, Asked::Check), "--as ADDR names one");
}

#[test]
fn the_live_rules_have_no_before() {
    let report = live(lockout());
    let text = text(&report, Asked::Live);
    has(
        &text,
        "LOCKOUT: with the live rules no new login from 203.0.113.7 gets in.\nNothing was changed.\n",
    );
    has(&text, "  tcp/22    sshd          IPv4  blocked   blocked\n");
    has(&text, "  open session    works\n");
    has(
        &text,
        "  rule 4 of chain INPUT, table ip filter (rules.v4:12): -A INPUT -j DROP\n      tcp/22 IPv4",
    );
    has(&text, "Rehearsed in 241 ms.\n");
    for unexpected in ["->", "Marks", "way back", "these rules", "does now"] {
        has_not(&text, unexpected);
    }
}

#[test]
fn a_way_back_that_fails_is_never_left_out() {
    let mut report = safe();
    report.way_back = Some(false);
    for asked in [Asked::Check, Asked::Apply, Asked::Forced] {
        has(&text(&report, asked), "THE WAY BACK IS NOT PROVEN");
    }
}

#[test]
fn scripts_get_one_line_with_everything() {
    let line = line(&lockout()).unwrap();
    assert_eq!(line.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["event"], "rehearsed");
    assert!(json["transaction"].is_null() && json["time"].is_string());
    let report: Report = serde_json::from_value(json["report"].clone()).unwrap();
    assert_eq!(report, lockout());
    let report = &json["report"];
    assert_eq!(report["verdict"], "lockout");
    assert_eq!(report["session"]["peer"], "203.0.113.7:51234");
    assert_eq!(report["session"]["login"]["state"], "blocked");
    let by = &report["session"]["login"]["by"];
    assert_eq!(by["spot"]["part"]["table"], "filter");
    assert_eq!((&by["file"], &by["line"]), (&"rules.v4".into(), &12.into()));
    let row = &report["rows"][0];
    assert_eq!(row["direction"], "in");
    assert_eq!(row["protocol"], "tcp");
    assert_eq!(row["peer"], "you");
    assert_eq!(row["before"]["state"], "open");
    assert_eq!(report["rows"][8]["after"]["state"], "not_rehearsed");
}
