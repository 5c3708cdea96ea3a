//! The table of what the host itself needs, and of single addresses that are required.

use super::fold::{Entry, Extent, Folded, fold};
use super::grid::{Column, Line, write};
use super::page::{Page, Tone};
use super::services::{family, is_service, name};
use super::standing::{Footnotes, change};
use super::{Direction, Peer, Row};

/// Writes what the host needs, if anything; tells what is not shown.
pub fn needs(page: &mut Page, rows: &[Row], extent: Extent, notes: &mut Footnotes) -> Folded {
    let rows = rows.iter().filter(|row| !is_service(row) && !is_named(row));
    table(page, "What this host needs", rows, extent, notes)
}

/// Writes what single addresses reach, if any were named; tells what is not shown.
pub fn named(page: &mut Page, rows: &[Row], extent: Extent, notes: &mut Footnotes) -> Folded {
    let rows = rows.iter().filter(|row| is_named(row));
    table(
        page,
        "Services from the required addresses",
        rows,
        extent,
        notes,
    )
}

fn is_named(row: &Row) -> bool {
    row.direction == Direction::In && row.peer == Peer::Named
}

fn table<'a>(
    page: &mut Page,
    heading: &str,
    rows: impl Iterator<Item = &'a Row>,
    extent: Extent,
    notes: &mut Footnotes,
) -> Folded {
    let (lines, folded) = fold(rows.map(|row| entry(row, notes)).collect(), extent);
    if !lines.is_empty() {
        let columns = [false, true, true, false].map(|yields| Column { title: "", yields });
        write(page, heading, &columns, lines);
    }
    folded
}

fn entry(row: &Row, notes: &mut Footnotes) -> Entry {
    let words = notes.words(row);
    let what = row.what.clone().unwrap_or_default();
    let cells = vec![
        (name(row), Tone::Plain),
        (what.clone(), Tone::Plain),
        (other_end(row), Tone::Plain),
        (words.clone(), change(row).tone()),
    ];
    Entry {
        line: Line {
            change: change(row),
            cells,
        },
        name: format!("{} {what}", name(row)).trim_end().to_owned(),
        stands: words,
    }
}

/// Who is at the other end.
fn other_end(row: &Row) -> String {
    match row.peer {
        Peer::Stranger => format!("any host, {}", family(row.peer_address)),
        Peer::Loopback => format!("{} over lo", row.local),
        Peer::You | Peer::Named => row.peer_address.to_string(),
    }
}
