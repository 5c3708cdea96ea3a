//! The rules that stop what is lost.

use super::fold::listed;
use super::page::{Page, Tone};
use super::services::{family, name};
use super::standing::{Change, change};
use super::{Decision, Row};

/// What one rule stops.
#[derive(Debug)]
struct Stop<'a> {
    by: &'a Decision,
    names: Vec<String>,
}

/// Lists the rules that stop what is lost; where there is no before, those that stop anything.
pub fn stops(page: &mut Page, rows: &[Row]) {
    let mut stops: Vec<Stop<'_>> = Vec::new();
    let mut unseen: Vec<String> = Vec::new();
    for row in rows.iter().filter(|row| is_told(row)) {
        let name = format!("{} {}", name(row), family(row.local));
        let names = match row.after.by() {
            None => &mut unseen,
            Some(by) => names(&mut stops, by),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if stops.is_empty() && unseen.is_empty() {
        return;
    }
    page.section("What stops them");
    for stop in &stops {
        page.decision("  ", "  ", stop.by);
        let answers = if stop.by.spot.reply {
            "the answers of "
        } else {
            ""
        };
        let text = format!("{answers}{}", listed(&stop.names));
        page.hanging("      ", "      ", &text, Tone::Quiet);
    }
    if !unseen.is_empty() {
        page.hanging(
            "  ",
            "      ",
            "a rule that was not seen doing it",
            Tone::Plain,
        );
        page.hanging("      ", "      ", &listed(&unseen), Tone::Quiet);
    }
}

fn is_told(row: &Row) -> bool {
    row.after.is_open() == Some(false) && (row.before.is_none() || change(row) == Change::Lost)
}

/// The names that belong to `by`.
fn names<'a, 'b>(stops: &'a mut Vec<Stop<'b>>, by: &'b Decision) -> &'a mut Vec<String> {
    let index = stops.iter().position(|stop| stop.by == by);
    let index = index.unwrap_or_else(|| {
        stops.push(Stop {
            by,
            names: Vec::new(),
        });
        stops.len() - 1
    });
    &mut stops[index].names
}
