//! A table's chains and rules, as `iptables-save -c` prints them.

use std::collections::BTreeMap;

use crate::candidate::words;

/// Options of matches whose argument may look like any word.
const FREE_TEXT: [&str; 3] = ["--comment", "--string", "--hex-string"];

/// One table.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Table {
    /// The chains, by name.
    pub chains: BTreeMap<String, Chain>,
}

/// One chain.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Chain {
    /// `ACCEPT` or `DROP`; `None` for a user-defined chain.
    pub policy: Option<String>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Target, or chain; empty for a rule that only counts.
    pub target: String,
    /// Whether packets for a program go on where none listens (`--queue-bypass`).
    pub bypass: bool,
}

impl Table {
    /// Reads one table; lines that say nothing of chains or rules are left out.
    pub fn read(text: &str) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let words = words(line);
            match words[..] {
                [first, policy, _] if first.starts_with(':') => {
                    let chain = Chain {
                        policy: (policy != "-").then(|| policy.to_owned()),
                        rules: Vec::new(),
                    };
                    table.chains.insert(first[1..].to_owned(), chain);
                }
                [_, "-A", name, ref rest @ ..] => {
                    let chain = table.chains.entry(name.to_owned()).or_default();
                    chain.rules.push(Rule {
                        target: target(rest).to_owned(),
                        bypass: rest.contains(&"--queue-bypass"),
                    });
                }
                _ => {}
            }
        }
        table
    }
}

/// What `-j` or `-g` names; what follows it are the target's own options.
fn target<'a>(rule: &[&'a str]) -> &'a str {
    let mut words = rule.iter();
    while let Some(word) = words.next() {
        if FREE_TEXT.contains(word) {
            words.next();
        } else if ["-j", "-g"].contains(word) {
            return words.next().unwrap_or(&"");
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_rules_are_read() {
        let table = Table::read(
            "*filter\n:INPUT DROP [7:420]\n:MINE - [0:0]\n[1:60] -A INPUT -p tcp -m comment --comment \"a -j DROP\" -g MINE\n\
             [2:3] -A INPUT\n[4:5] -A MINE -m comment --comment -j -j LOG --log-prefix \"x -j y\"\nCOMMIT\n",
        );
        let (input, mine) = (&table.chains["INPUT"], &table.chains["MINE"]);
        assert_eq!(input.policy.as_deref(), Some("DROP"));
        assert_eq!(mine.policy, None);
        let of = |chain: &Chain| -> Vec<String> {
            chain.rules.iter().map(|rule| rule.target.clone()).collect()
        };
        assert_eq!(of(input), ["MINE", ""]);
        assert_eq!(of(mine), ["LOG"]);
    }
}
