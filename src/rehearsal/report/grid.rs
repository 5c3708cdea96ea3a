//! Rows under columns, within the page.

use super::page::{Page, Tone};
use super::standing::Change;
use super::text::{clean, columns, wrapped};

/// The margin for the marks of changes.
const MARGIN: usize = 2;
/// Between two columns.
const GAP: usize = 2;
/// Where a cell goes on that has no room on its line.
const DEEPER: usize = 4;
/// A column is not made narrower than this.
const NARROW: usize = 15;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands over it; it may be empty.
    pub title: &'static str,
    /// Whether it may be narrower than what is in it.
    pub yields: bool,
}

/// One row.
#[derive(Debug)]
pub struct Line {
    /// What becomes of it.
    pub change: Change,
    /// The cells, each with its tone.
    pub cells: Vec<(String, Tone)>,
}

/// Writes `lines` under `columns`, with `heading` over the first ones.
pub fn write(page: &mut Page, heading: &str, titles: &[Column], mut lines: Vec<Line>) {
    for cell in lines.iter_mut().flat_map(|line| &mut line.cells) {
        cell.0 = clean(&cell.0);
    }
    let width = page.look().width;
    let starts = starts(heading, titles, &lines, width);
    page.blank();
    page.put(0, heading, Tone::Heading);
    if let Some(starts) = &starts {
        for (column, start) in titles.iter().zip(starts) {
            if column.title.is_empty() {
                continue;
            }
            if page.at() + GAP > *start {
                page.end();
            }
            page.put(*start, column.title, Tone::Heading);
        }
    }
    page.end();
    for line in &lines {
        if let Some((mark, _)) = line.change.margin() {
            page.put(0, mark, line.change.tone());
        }
        match &starts {
            Some(starts) => aligned(page, line, starts),
            None => flowing(page, line, titles),
        }
        page.end();
    }
}

/// Where the columns start, the first one with a title past the heading where there is room for
/// that; `None` where the page is too narrow for columns.
fn starts(heading: &str, titles: &[Column], lines: &[Line], width: usize) -> Option<Vec<usize>> {
    let mut widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cells = lines.iter().filter_map(|line| line.cells.get(index));
            let widest = cells.map(|cell| columns(&cell.0)).max().unwrap_or(0);
            widest.max(columns(column.title)).min(width)
        })
        .collect();
    let room = width.checked_sub(MARGIN + GAP * titles.len().saturating_sub(1))?;
    while widths.iter().sum::<usize>() > room {
        let (_, widest) = titles
            .iter()
            .zip(&mut widths)
            .filter(|(column, width)| column.yields && **width > NARROW)
            .max_by_key(|(_, width)| **width)?;
        *widest -= 1;
    }
    if let Some(titled) = titles.iter().position(|column| !column.title.is_empty()) {
        let before = MARGIN + widths[..titled].iter().sum::<usize>() + GAP * titled;
        let missing = (columns(heading) + GAP).saturating_sub(before);
        let fits = widths.iter().sum::<usize>() + missing <= room;
        if fits && let Some(last) = widths[..titled].last_mut() {
            *last += missing;
        }
    }
    let mut start = MARGIN;
    let starts = widths.iter().map(|width| {
        let this = start;
        start += width + GAP;
        this
    });
    Some(starts.collect())
}

/// Each cell in its column; after one that is too wide for it, on the next line.
fn aligned(page: &mut Page, line: &Line, starts: &[usize]) {
    for ((text, tone), start) in line.cells.iter().zip(starts) {
        if text.is_empty() {
            continue;
        }
        if *start > MARGIN && page.at() + GAP > *start {
            page.end();
        }
        let start = if start + columns(text) > page.look().width {
            if page.at() > 0 {
                page.end();
            }
            DEEPER
        } else {
            *start
        };
        pieces(page, start, text, *tone);
    }
}

/// One cell after the other, each after its title.
fn flowing(page: &mut Page, line: &Line, titles: &[Column]) {
    for ((text, tone), column) in line.cells.iter().zip(titles) {
        if text.is_empty() {
            continue;
        }
        let text = match column.title {
            "" => text.clone(),
            title => format!("{title}: {text}"),
        };
        let next = (page.at() + GAP).max(MARGIN);
        if page.at() <= 1 {
            pieces(page, MARGIN, &text, *tone);
        } else if next + columns(&text) > page.look().width {
            page.end();
            pieces(page, DEEPER, &text, *tone);
        } else {
            pieces(page, next, &text, *tone);
        }
    }
}

/// `text` from column `start`, in as many lines as it needs.
fn pieces(page: &mut Page, start: usize, text: &str, tone: Tone) {
    let room = page.look().width.saturating_sub(start);
    if columns(text) <= room {
        page.put(start, text, tone);
        return;
    }
    for (number, piece) in wrapped(text, room, "", "").iter().enumerate() {
        if number > 0 {
            page.end();
        }
        page.put(start, piece, tone);
    }
}
