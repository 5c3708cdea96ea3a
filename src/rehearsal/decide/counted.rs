//! A table's chains, rules and counters, as `iptables-save -c` prints them.

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
    /// How many packets met the policy.
    pub packets: u64,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// How many packets matched.
    pub packets: u64,
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
                [first, policy, count] if first.starts_with(':') => {
                    let chain = Chain {
                        policy: (policy != "-").then(|| policy.to_owned()),
                        packets: packets(count),
                        rules: Vec::new(),
                    };
                    table.chains.insert(first[1..].to_owned(), chain);
                }
                [count, "-A", name, ref rest @ ..] => {
                    let chain = table.chains.entry(name.to_owned()).or_default();
                    chain.rules.push(Rule {
                        packets: packets(count),
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

/// The first number of `[packets:bytes]`.
fn packets(count: &str) -> u64 {
    let number = count.trim_start_matches('[').split(':').next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
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
    fn chains_rules_and_counters_are_read() {
        let table = Table::read(
            "*filter\n:INPUT DROP [7:420]\n:MINE - [0:0]\n[1:60] -A INPUT -p tcp -m comment --comment \"a -j DROP\" -g MINE\n\
             [2:3] -A INPUT\n[4:5] -A MINE -m comment --comment -j -j LOG --log-prefix \"x -j y\"\nCOMMIT\n",
        );
        let (input, mine) = (&table.chains["INPUT"], &table.chains["MINE"]);
        assert_eq!((input.policy.as_deref(), input.packets), (Some("DROP"), 7));
        assert_eq!((mine.policy.as_deref(), mine.packets), (None, 0));
        let of = |chain: &Chain| -> Vec<(u64, String)> {
            let rules = chain.rules.iter();
            rules
                .map(|rule| (rule.packets, rule.target.clone()))
                .collect()
        };
        assert_eq!(of(input), [(1, "MINE".to_owned()), (2, String::new())]);
        assert_eq!(of(mine), [(4, "LOG".to_owned())]);
    }
}
