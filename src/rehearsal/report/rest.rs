//! What was required, the way back, advice, what was not rehearsed.

use super::page::{Page, Tone};
use super::services::family;
use super::standing::Footnotes;
use super::{Advice, Report, Requirement, Standing};

/// Writes what was required, and how it stands.
pub fn requirements<'a>(
    page: &mut Page,
    requirements: impl Iterator<Item = &'a Requirement>,
    notes: &mut Footnotes,
) {
    for (number, requirement) in requirements.enumerate() {
        if number == 0 {
            page.section("Required");
        }
        let (mark, tone) = match requirement.met {
            Some(true) => (" ", Tone::Good),
            Some(false) => ("!", Tone::Bad),
            None => ("?", Tone::Doubt),
        };
        let text = format!("{}: {}", requirement.text, stands(requirement, notes));
        page.hanging(&format!("{mark} "), "      ", &text, tone);
        let mut told = Vec::new();
        for by in requirement.standings.iter().filter_map(|(_, it)| it.by()) {
            if !told.contains(&by) {
                page.decision("      by ", "      ", by);
                told.push(by);
            }
        }
    }
}

/// In a word for each that differs, with the addresses of this host that it is about.
fn stands(requirement: &Requirement, notes: &mut Footnotes) -> String {
    let standings = &requirement.standings;
    let mut words: Vec<(String, Vec<String>)> = Vec::new();
    for (address, standing) in standings {
        let many = standings
            .iter()
            .filter(|(other, _)| other.is_ipv6() == address.is_ipv6())
            .count();
        let place = if many == 1 {
            family(*address).to_owned()
        } else {
            address.to_string()
        };
        let word = notes.word(standing);
        match words.iter_mut().find(|known| known.0 == word) {
            Some(known) => known.1.push(place),
            None => words.push((word, vec![place])),
        }
    }
    if words.is_empty() {
        return match requirement.met {
            Some(true) => "open",
            Some(false) => "blocked",
            None => "not rehearsed",
        }
        .to_owned();
    }
    let words: Vec<String> = words
        .iter()
        .map(|(word, places)| format!("{word} over {}", places.join(" and ")))
        .collect();
    words.join(", ")
}

/// Says whether the checkpoint was restored over the candidate and found equal.
pub fn way_back(page: &mut Page, report: &Report) {
    let (text, tone) = match report.way_back {
        Some(true) => (
            "The way back: restored over these rules, those of now compare equal.",
            Tone::Plain,
        ),
        Some(false) => (
            "THE WAY BACK IS NOT PROVEN: restored over these rules, those of now do not compare equal.",
            Tone::Bad,
        ),
        None => return,
    };
    page.blank();
    page.paragraph(text, tone);
}

/// Writes the advice, each with its line.
pub fn advice(page: &mut Page, advice: &[Advice]) {
    if advice.is_empty() {
        return;
    }
    page.section("Advice");
    for one in advice {
        let place = match (&one.file, one.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let text = format!("{place}{}", one.message);
        page.hanging("  ", "      ", &text, Tone::Plain);
    }
}

/// Writes the footnotes, and what else was not rehearsed: `listed` of it, the rest is counted.
pub fn not_rehearsed(page: &mut Page, report: &Report, notes: &Footnotes, listed: usize) {
    let mut others: Vec<&String> = report
        .not_rehearsed
        .iter()
        .filter(|reason| !notes.reasons.contains(reason))
        .collect();
    if let Some(session) = &report.session {
        for standing in [&session.old, &session.login] {
            if let Standing::NotRehearsed { reason } = standing {
                // It was told with the session.
                others.retain(|other| *other != reason);
            }
        }
    }
    if others.is_empty() && notes.reasons.is_empty() {
        return;
    }
    page.section("Not rehearsed");
    for (number, reason) in notes.reasons.iter().enumerate() {
        let first = format!("  {:<6}", format!("[{}]", number + 1));
        page.hanging(&first, "        ", reason, Tone::Plain);
    }
    for reason in others.iter().take(listed) {
        page.hanging("  -     ", "        ", reason, Tone::Plain);
    }
    if others.len() > listed {
        let text = format!("and {} more (check lists them)", others.len() - listed);
        page.hanging("  ", "  ", &text, Tone::Quiet);
    }
}
