//! The tables in the report of a rehearsal.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod rehearsal_report_support;

use rehearsal_report_support::*;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::report::{Asked, Look, Peer, Standing, render};

#[test]
fn many_unchanged_rows_are_folded_and_changed_ones_are_not() {
    let mut report = safe();
    report.rows.clear();
    for port in 1000..1100 {
        report
            .rows
            .extend(both(port, "app", &Standing::Open, &Standing::Open));
        report
            .rows
            .extend(both(port, "app", &Standing::Open, &Standing::Open).map(six));
    }
    for port in 2000..2050 {
        report.rows.extend(both(port, "db", &blocked(), &blocked()));
    }
    for port in 3000..3030 {
        report
            .rows
            .extend(both(port, "web", &Standing::Open, &blocked()));
    }
    let folded = text(&report, Asked::Check);
    let lost = folded.lines().filter(|line| line.starts_with("! ")).count();
    assert_eq!(lost, 30);
    has(
        &folded,
        "\n  and 230 more, unchanged (check --all shows them):\n    open: tcp/1010, tcp/1011",
    );
    has(&folded, "\n    blocked: tcp/2000, ");
    has(&folded, "tcp/2039 and 10 more\n");
    let all = render(&report, Asked::Check, Look { all: true, ..PLAIN });
    has_not(&all, "more");
    let rows = all.lines().filter(|line| line.contains("  IPv")).count();
    assert_eq!(rows, 280);
}

#[test]
fn addresses_of_this_host_that_differ_get_a_row_each() {
    let mut report = safe();
    report.rows = both(443, "nginx", &Standing::Open, &Standing::Open).to_vec();
    let second = both(443, "nginx", &Standing::Open, &blocked());
    report.rows.extend(second.map(|mut row| {
        row.local = "198.51.100.3".parse().unwrap();
        row
    }));
    let differ = text(&report, Asked::Check);
    has(
        &differ,
        "! tcp/443  nginx at 198.51.100.3  IPv4  open -> BLOCKED",
    );
    has(&differ, "  tcp/443  nginx at 198.51.100.2  IPv4  open ");
    for row in &mut report.rows {
        row.after = Standing::Open;
    }
    let same = text(&report, Asked::Check);
    has(&same, "  tcp/443  nginx  IPv4  open      open\n");
    assert_eq!(same.matches("tcp/443").count(), 1);
}

#[test]
fn the_worse_of_two_answers_about_one_service_is_shown() {
    let open = service(22, "sshd", Peer::You, Standing::Open, Standing::Open);
    let mut worse = open.clone();
    worse.after = blocked();
    for rows in [[open.clone(), worse.clone()], [worse, open]] {
        let mut report = safe();
        report.rows = rows.to_vec();
        has(
            &text(&report, Asked::Check),
            "! tcp/22  sshd  IPv4   open -> BLOCKED\n",
        );
    }
}

#[test]
fn what_was_tried_from_one_side_only_says_so() {
    let mut report = safe();
    report.rows = vec![
        service(22, "sshd", Peer::You, Standing::Open, Standing::Open),
        service(53, "named", Peer::Stranger, Standing::Open, blocked()),
        service(53, "named", Peer::Named, Standing::Open, blocked()),
    ];
    let text = text(&report, Asked::Check);
    has(&text, "  tcp/22  sshd   IPv4  open      -\n");
    has(&text, "! tcp/53  named  IPv4  -         open -> BLOCKED\n");
    has(
        &text,
        "Services from the required addresses\n! tcp/53  named  198.51.100.77  open -> BLOCKED\n",
    );
}

#[test]
fn a_cell_that_is_too_wide_goes_on_below_its_columns() {
    let mut report = safe();
    let address = "2001:db8:1111:2222:3333:4444:5555:6666";
    let long = "a program with a rather long name";
    report.rows = vec![
        need(Protocol::Tcp, 65535, long, address, blocked()),
        need(
            Protocol::Udp,
            53,
            "resolver",
            "203.0.113.53",
            Standing::Open,
        ),
    ];
    report.rows.extend(both(443, long, &blocked(), &rejected()));
    has(
        &text(&report, Asked::Check),
        "\
Services of this host                   from you             from anyone
~ tcp/443  a program with a rather long name
                                  IPv4  blocked -> rejected  blocked -> rejected

What this host needs
! tcp/65535  a program with a rather long name
                                       2001:db8:1111:2222:3333:4444:5555:6666
                                                                 open -> BLOCKED
  udp/53     resolver                  203.0.113.53              open
",
    );
}

#[test]
fn a_heading_that_is_too_wide_has_its_own_line() {
    let mut report = safe();
    report.rows = both(22, "a", &blocked(), &rejected()).to_vec();
    let narrow = render(&report, Asked::Check, Look { width: 60, ..PLAIN });
    has(
        &narrow,
        "\
Services of this host
                   from you             from anyone
~ tcp/22  a  IPv4  blocked -> rejected  blocked -> rejected
",
    );
}

#[test]
fn what_is_lost_to_a_rule_that_was_not_seen_is_told_too() {
    let mut report = safe();
    let unseen = Standing::Rejected { by: None };
    report.rows = both(443, "nginx", &Standing::Open, &unseen).to_vec();
    let stops = "What stops them\n  a rule that was not seen doing it\n      tcp/443 IPv4\n";
    has(&text(&report, Asked::Check), stops);
    report
        .rows
        .extend(both(80, "nginx", &Standing::Open, &blocked()));
    has(
        &text(&report, Asked::Apply),
        "  a rule that was not seen doing it\n      tcp/443 IPv4\n",
    );
}
