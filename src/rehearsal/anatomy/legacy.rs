//! Legacy tables, from what `iptables-save` prints.

use super::words;
use super::{Base, Body, Chain, Rule};
use crate::candidate::words as split;
use crate::checkpoint::Part;
use crate::legacy::Family;

/// The chains of a table.
pub fn chains(family: Family, table: &str, text: &str) -> Vec<Chain> {
    let part = Part::Legacy(family, table.to_owned());
    let mut chains: Vec<Chain> = Vec::new();
    let mut index = std::collections::HashMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split(' ');
            let (name, policy) = (words.next().unwrap_or_default(), words.next());
            index.insert(name.to_owned(), chains.len());
            chains.push(Chain {
                part: part.clone(),
                name: name.to_owned(),
                base: Base::of_legacy(table, name, policy == Some("DROP")),
                rules: Vec::new(),
            });
            continue;
        }
        // Counters may stand before the rule.
        let words = split(line);
        let Some(at) = words.iter().position(|word| *word == "-A") else {
            continue;
        };
        let Some(chain) = words.get(at + 1).and_then(|name| index.get(*name)) else {
            continue;
        };
        let (clauses, verdict) = words::parse(words.get(at + 2..).unwrap_or_default());
        if let Some(chain) = chains.get_mut(*chain) {
            chain.rules.push(Rule {
                body: Body::Words(clauses),
                verdict,
            });
        }
    }
    chains
}
