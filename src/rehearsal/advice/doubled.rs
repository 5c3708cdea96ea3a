//! nft scripts that add to tables that are there already.

use std::collections::BTreeMap;

use super::study::{Piece, Study, Weight};
use crate::candidate::Kind;
use crate::checkpoint::Part;
use crate::rehearsal::locate::rules;
use crate::rehearsal::report::Advice;

/// Chains that keep their rules and get those of an nft script behind them.
pub fn chains<'a>(study: &Study<'a>) -> BTreeMap<(&'a Part, &'a str), (usize, usize)> {
    let mut own: BTreeMap<(&Part, &str), usize> = BTreeMap::new();
    for rule in &study.input.sources.rules {
        let place = (&rule.part, rule.chain.as_str());
        if rule.kind == Kind::Nft {
            *own.entry(place).or_default() += rule.makes.unwrap_or(1);
        }
    }
    let mut found = BTreeMap::new();
    for ((part, chain), added) in own {
        let before = rules(study.input.checkpoint, part, chain);
        let after = rules(study.input.compiled, part, chain);
        if before > 0 && after >= before + added {
            found.insert((part, chain), (before, after));
        }
    }
    found
}

/// Says which.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    if study.input.noflush {
        return Vec::new();
    }
    let doubled = chains(study);
    let mut by_file: BTreeMap<&str, Vec<(usize, &Part, &str)>> = BTreeMap::new();
    for rule in &study.input.sources.rules {
        let place = (&rule.part, rule.chain.as_str());
        let lines = by_file.entry(&rule.file).or_default();
        let told = lines
            .iter()
            .any(|(_, part, chain)| (*part, *chain) == place);
        if rule.kind == Kind::Nft && doubled.contains_key(&place) && !told {
            lines.push((rule.line, place.0, place.1));
        }
    }
    let told = by_file.into_iter().filter_map(|(file, lines)| {
        let (line, part, chain) = *lines.first()?;
        let (before, after) = *doubled.get(&(part, chain))?;
        let more = match lines.len() {
            1 => String::new(),
            count => format!(", and {} more chains likewise", count - 1),
        };
        let flush = match part {
            Part::Nft(id) => format!("`flush table {id}`"),
            Part::Legacy(..) | Part::Set(_) => "a flush".to_owned(),
        };
        Some(Piece {
            weight: Weight::Takes,
            advice: Advice {
                file: Some(file.to_owned()),
                line: Some(line),
                message: format!(
                    "its rules come behind those that are there: chain {chain} in {part} has {before} \
                     now and will have {after}{more}. To replace them, begin the file with {flush} \
                     (or `flush ruleset`); give --noflush if adding is meant"
                ),
            },
        })
    });
    told.collect()
}
