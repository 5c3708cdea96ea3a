//! The tables in the report of a rehearsal.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod rehearsal_report_support;

use rehearsal_report_support::*;
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
