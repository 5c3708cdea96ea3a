//! The whole report as a page of text.

use std::collections::BTreeSet;

use super::fold::Extent;
use super::needs::{named, needs};
use super::page::{Look, Page, Tone};
use super::rest::{advice, not_rehearsed, requirements, way_back};
use super::services::services;
use super::session::session;
use super::standing::{Change, Footnotes, change};
use super::stops::stops;
use super::words::{Asked, state, verdict};
use super::{Report, Requirement, Row, Standing, Verdict};

/// How much of what was not rehearsed is listed where an apply goes on.
const BRIEFLY: usize = 3;

/// The report in words: in full, or, where an apply goes on, only what changes and what is
/// worth knowing. No line is wider than `look` says, but for those that are there to be pasted.
#[must_use]
pub fn render(report: &Report, asked: Asked, look: Look) -> String {
    let mut page = Page::new(look);
    verdict(&mut page, report, asked);
    let goes_on = match asked {
        Asked::Check | Asked::Live => false,
        Asked::Apply => matches!(report.verdict, Verdict::Safe | Verdict::Unknown),
        Asked::Forced => true,
    };
    let state = state(report.verdict, asked);
    if goes_on {
        page.paragraph(&format!("{state} {}", took(report)), Tone::Plain);
        brief(&mut page, report, asked);
    } else {
        page.paragraph(state, Tone::Plain);
        full(&mut page, report, asked);
    }
    page.text()
}

fn full(page: &mut Page, report: &Report, asked: Asked) {
    let extent = if page.look().all {
        Extent::All
    } else {
        Extent::Some
    };
    let mut notes = Footnotes::default();
    if let Some(connection) = &report.session {
        session(page, connection, asked);
    }
    for table in [services, named, needs] {
        let folded = table(page, &report.rows, extent, &mut notes);
        folded.write(page, asked != Asked::Live);
    }
    legend(page, report);
    stops(page, &report.rows);
    requirements(page, report.requirements.iter(), &mut notes);
    way_back(page, report);
    advice(page, &report.advice);
    not_rehearsed(page, report, &notes, usize::MAX);
    page.blank();
    page.paragraph(&took(report), Tone::Quiet);
}

fn brief(page: &mut Page, report: &Report, asked: Asked) {
    let mut notes = Footnotes::default();
    if let Some(connection) = &report.session
        && (connection.old != Standing::Open || connection.login != Standing::Open)
    {
        session(page, connection, asked);
    }
    let rows = changing(&report.rows);
    for table in [services, named, needs] {
        table(page, &rows, Extent::Changed, &mut notes);
    }
    legend(page, report);
    stops(page, &report.rows);
    let open = |requirement: &&Requirement| requirement.met != Some(true);
    requirements(page, report.requirements.iter().filter(open), &mut notes);
    if report.way_back == Some(false) {
        way_back(page, report);
    }
    advice(page, &report.advice);
    let listed = match report.verdict {
        Verdict::Unknown => usize::MAX,
        Verdict::Safe | Verdict::Lockout | Verdict::Unmet => BRIEFLY,
    };
    not_rehearsed(page, report, &notes, listed);
}

/// The rows of everything of which at least one row changes.
fn changing(rows: &[Row]) -> Vec<Row> {
    let key = |row: &Row| {
        let six = row.local.is_ipv6();
        (row.direction, row.protocol, row.port, six, row.what.clone())
    };
    let changed: BTreeSet<_> = rows
        .iter()
        .filter(|row| change(row) != Change::Same)
        .map(key)
        .collect();
    rows.iter()
        .filter(|row| changed.contains(&key(row)))
        .cloned()
        .collect()
}

/// Says what the marks mean that were used.
fn legend(page: &mut Page, report: &Report) {
    let all = [
        Change::Lost,
        Change::Gained,
        Change::Doubtful,
        Change::Otherwise,
    ];
    let used: Vec<String> = all
        .into_iter()
        .filter(|one| report.rows.iter().any(|row| change(row) == *one))
        .filter_map(Change::margin)
        .map(|(mark, meaning)| format!("{mark} {meaning}"))
        .collect();
    if !used.is_empty() {
        page.blank();
        page.paragraph(&format!("Marks: {}.", used.join(", ")), Tone::Quiet);
    }
}

/// How long it took, and how much was tried.
fn took(report: &Report) -> String {
    let mut text = format!("Rehearsed in {} ms", report.milliseconds);
    let rows = &report.rows;
    if rows.iter().any(|row| row.before.is_some()) {
        let changed = rows.iter().filter(|row| change(row) != Change::Same);
        text.push_str(&match changed.count() {
            0 => format!(": {} probes, no change", rows.len()),
            1 => format!(": {} probes, 1 change", rows.len()),
            many => format!(": {} probes, {many} changes", rows.len()),
        });
    }
    text.push('.');
    text
}
