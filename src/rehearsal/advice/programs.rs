//! Rules of other programs that go.

use super::study::{Piece, Study, Weight};
use crate::candidate::{Candidate, Kind};
use crate::checkpoint::{Part, taken};
use crate::legacy::Family;
use crate::rehearsal::report::Advice;

/// Says whose, how they come back, and which line takes them.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let gone = taken(study.input.checkpoint, study.input.compiled);
    gone.into_iter()
        .map(|one| {
            let wiper = (study.input.candidates.iter())
                .filter_map(|candidate| Some((candidate, wiper(study, candidate, &one.parts)?)))
                .next();
            let (file, line, by) = match wiper {
                Some((candidate, (line, text))) => (
                    Some(candidate.name.clone()),
                    Some(line),
                    format!("`{text}`: "),
                ),
                None => (None, None, String::new()),
            };
            Piece {
                weight: Weight::Takes,
                advice: Advice {
                    file,
                    line,
                    message: format!("{by}{}", one.message),
                },
            }
        })
        .collect()
}

/// The line that empties or deletes one of `parts`, and its text.
fn wiper(
    study: &Study<'_>,
    candidate: &Candidate,
    parts: &std::collections::BTreeSet<Part>,
) -> Option<(usize, String)> {
    let text = String::from_utf8_lossy(&candidate.bytes);
    let text: &str = &text;
    let found = match candidate.kind {
        Kind::Nft => {
            statements(text).find(|(_, words)| parts.iter().any(|part| wipes(words, part)))
        }
        Kind::IptablesV4 | Kind::IptablesV6 if !study.input.noflush => {
            let v6 = candidate.kind == Kind::IptablesV6;
            statements(text).find(|(_, words)| {
                let table = words.first().and_then(|word| word.strip_prefix('*'));
                table.is_some_and(|table| parts.iter().any(|part| is_table(part, v6, table)))
            })
        }
        Kind::IptablesV4 | Kind::IptablesV6 | Kind::Ipset => None,
    };
    found.map(|(line, words)| (line, words.join(" ")))
}

/// Statements by line, from 1; comments aside.
fn statements(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    text.lines().enumerate().flat_map(|(at, line)| {
        let code = line.split('#').next().unwrap_or_default();
        let parts = code.split(';');
        parts.map(move |part| (at + 1, part.split_ascii_whitespace().collect()))
    })
}

/// Whether an nft statement takes what `part` holds, or some of it.
fn wipes(words: &[&str], part: &Part) -> bool {
    let Part::Nft(id) = part else { return false };
    let family = |word: &str| {
        ["inet", "ip", "arp", "netdev", "bridge", "ip6"].contains(&word)
            && id.to_string().starts_with(&format!("{word} "))
    };
    match words {
        ["flush", "ruleset"] => true,
        ["flush", "ruleset", of] => family(of),
        [
            "flush" | "delete" | "destroy",
            "table" | "chain",
            of,
            name,
            ..,
        ] if family(of) => *name == id.name,
        // Without a family it is ip.
        ["flush" | "delete" | "destroy", "table" | "chain", name, ..] => {
            id.family == 2 && *name == id.name
        }
        _ => false,
    }
}

fn is_table(part: &Part, v6: bool, table: &str) -> bool {
    match part {
        Part::Nft(id) => id.family == (if v6 { 10 } else { 2 }) && id.name == table,
        Part::Legacy(family, name) => (*family == Family::V6) == v6 && name == table,
        Part::Set(_) => false,
    }
}
