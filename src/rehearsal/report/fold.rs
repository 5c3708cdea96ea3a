//! Long tables: what changes is always shown, what does not is folded where it is much.

use super::grid::Line;
use super::page::{Page, Tone};
use super::standing::Change;

/// Rows without a change that are shown one by one.
const SHOWN: usize = 20;
/// With up to this many rows nothing is folded.
const UNFOLDED: usize = 25;
/// How many names are listed before the rest is only counted.
const NAMES: usize = 40;

/// How much of a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every row.
    All,
    /// Every row with a change, and some of those without.
    Some,
    /// Only rows with a change.
    Changed,
}

/// A row, and how it is listed when it is folded.
#[derive(Debug)]
pub struct Entry {
    /// The row.
    pub line: Line,
    /// Its name, such as `tcp/443`.
    pub name: String,
    /// How it stands, in a few words.
    pub stands: String,
}

/// What is not shown one by one.
#[derive(Debug, Default)]
pub struct Folded {
    /// Number of rows.
    pub count: usize,
    /// Names of the rows that stand alike.
    groups: Vec<(String, Vec<String>)>,
}

/// The rows that are shown, those with the worst changes first, and the others.
pub fn fold(mut entries: Vec<Entry>, extent: Extent) -> (Vec<Line>, Folded) {
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.line.change));
    let unchanged = entries
        .iter()
        .filter(|entry| entry.line.change == Change::Same)
        .count();
    let shown = match extent {
        Extent::All => unchanged,
        Extent::Some if unchanged <= UNFOLDED => unchanged,
        Extent::Some => SHOWN,
        Extent::Changed => 0,
    };
    let rest = entries.split_off(entries.len() - (unchanged - shown));
    let mut folded = Folded {
        count: rest.len(),
        groups: Vec::new(),
    };
    for entry in rest {
        folded.add(entry);
    }
    (
        entries.into_iter().map(|entry| entry.line).collect(),
        folded,
    )
}

impl Folded {
    fn add(&mut self, entry: Entry) {
        let group = self.groups.iter_mut().find(|group| group.0 == entry.stands);
        match group {
            // The same service over IPv4 and IPv6 is listed once.
            Some(group) if group.1.contains(&entry.name) => {}
            Some(group) => group.1.push(entry.name),
            None => self.groups.push((entry.stands, vec![entry.name])),
        }
    }

    /// Tells what is not shown; `unchanged` says whether there is a before to compare with.
    pub fn write(&self, page: &mut Page, unchanged: bool) {
        if self.count == 0 {
            return;
        }
        let unchanged = if unchanged { ", unchanged" } else { "" };
        page.hanging(
            "  ",
            "  ",
            &format!(
                "and {} more{unchanged} (check --all shows them):",
                self.count
            ),
            Tone::Quiet,
        );
        for (stands, names) in &self.groups {
            let text = format!("{stands}: {}", listed(names));
            page.hanging("    ", "      ", &text, Tone::Quiet);
        }
    }
}

/// Names with commas between them; of many only the first ones.
pub fn listed(names: &[String]) -> String {
    let shown = &names[..names.len().min(NAMES)];
    let mut text = shown.join(", ");
    if names.len() > shown.len() {
        text.push_str(&format!(" and {} more", names.len() - shown.len()));
    }
    text
}
