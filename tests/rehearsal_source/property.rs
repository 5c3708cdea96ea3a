//! Random files, loaded by the real tools: every rule at its line.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use safe_apply::candidate::Resolved;

use crate::kernel::marked;
use crate::locate::{check_files, try_files};

/// How many files of each sort are tried.
const CASES: u32 = 40;

/// What is done, with two numbers for what and where.
type Step = (u8, usize, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0_u8..8, 0_usize..6, 0_usize..4), 0..14)
}

/// A file for iptables-restore whose rules all get loaded, and how many are left in the end.
fn iptables(steps: &[Step], kept: usize) -> (String, usize) {
    let mut lines = vec!["*filter".to_owned(), ":INPUT ACCEPT [0:0]".to_owned()];
    // Of each rule of the chain, whether it is one of the file's.
    let mut chain: Vec<bool> = vec![false; kept];
    for (what, which, count) in steps {
        let sources: Vec<String> = (1..=*count).map(|at| format!("10.0.{at}.1")).collect();
        let from = match sources.join(",") {
            none if none.is_empty() => String::new(),
            list => format!("-s {list} "),
        };
        let rule = format!("{from}-p tcp --dport {which} -m comment --comment @@ -j DROP");
        let number = which % (chain.len() + 1);
        let new = std::iter::repeat_n(true, sources.len().max(1));
        match what {
            0..=2 => {
                lines.push(format!("-A INPUT {rule}"));
                chain.extend(new);
            }
            3 => {
                lines.push(format!("[1:2] -I INPUT {rule}"));
                chain.splice(0..0, new);
            }
            4 => {
                lines.push(format!("-I INPUT {} {rule}", number + 1));
                chain.splice(number..number, new);
            }
            5 if chain.get(number) == Some(&true) => {
                lines.push(format!("-D INPUT {}", number + 1));
                chain.remove(number);
            }
            6 => lines.push(format!("# -A INPUT {which}")),
            _ => lines.push(String::new()),
        }
    }
    lines.push("COMMIT".to_owned());
    (
        marked(&lines.join("\n")),
        chain.iter().filter(|own| **own).count(),
    )
}

/// The same for nft.
fn nft(steps: &[Step]) -> (String, usize) {
    let mut text = "table inet t\n".to_owned();
    let mut rules = 0;
    for (what, which, count) in steps {
        let line = text.matches('\n').count() + 1;
        let rule = |line: usize| match which {
            0 => format!("tcp dport {count} accept comment \"L{line}\""),
            1 => format!("tcp dport {{ 1,\n\t# two }}\n 2 }} drop comment \"L{line}\""),
            2 => format!("ip saddr 10.0.0.0/8 \\\n  accept comment \"L{line}\""),
            3 => format!("log prefix \"; }} #\" comment \"L{line}\""),
            4 => {
                format!("ct state vmap {{ new : accept,\n invalid : drop }} comment \"L{line}\"")
            }
            _ => format!("counter  comment  \"L{line}\"  # drop"),
        };
        match what {
            0 | 1 => text += &format!("add rule inet t c {}\n", rule(line)),
            2 => text += &format!("insert rule inet t c {}\n", rule(line)),
            3 => {
                text += "table inet t {\n chain c {\n";
                for at in 0..*count {
                    let line = text.matches('\n').count() + 1;
                    let end = if at % 2 == 0 && *which != 5 { ";" } else { "" };
                    text += &format!("  {}{end}\n", rule(line));
                }
                text += " }\n}\n";
                rules += count;
                continue;
            }
            4 if *count == 0 => {
                text += "flush chain inet t c\n";
                rules = 0;
                continue;
            }
            4 if *count == 1 => {
                text += "delete table inet t\ntable inet t { chain c { }\n}\n";
                rules = 0;
                continue;
            }
            5 => {
                text += &format!("inet t c accept comment \"L{line}\"; ");
                text += &format!("insert rule inet t c drop comment \"L{line}\"\n");
                rules += 1;
            }
            6 => {
                text += "\n# add rule inet t c drop\n";
                continue;
            }
            _ => {
                text += "add set inet t s { type ipv4_addr; }; redefine x = {\n 1, 2 }\n";
                continue;
            }
        }
        rules += 1;
    }
    (text, rules)
}

fn run(test: impl Fn(Vec<Step>, usize, bool) -> Result<(), TestCaseError>) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let input = (steps(), 0_usize..4, any::<bool>());
    let outcome =
        TestRunner::new(config).run(&input, |(steps, kept, flag)| test(steps, kept, flag));
    outcome.unwrap();
}

#[test]
fn random_iptables_files() {
    let refused = Cell::new(0);
    run(|steps, kept, legacy| {
        let backend = if legacy {
            Resolved::Legacy
        } else {
            Resolved::Nft
        };
        let (text, rules) = iptables(&steps, kept);
        let mut before = "*filter\n:INPUT ACCEPT\n".to_owned();
        for at in 0..kept {
            before += &format!("-A INPUT -m comment --comment K{at}\n");
        }
        before += "COMMIT\n";
        let found = match try_files(&[&before], &[("rules", &text)], backend, kept > 0) {
            Ok(found) => found,
            // iptables-nft-restore 1.8.9 loses its place among rules of the same file.
            Err(said) if !legacy && said.contains("RULE_INSERT") => {
                refused.set(refused.get() + 1);
                return Ok(());
            }
            Err(said) => return Err(TestCaseError::fail(said)),
        };
        prop_assert_eq!((found.rules, found.located), (rules, rules), "{}", text);
        Ok(())
    });
    println!("{} of {CASES} files refused", refused.get());
    assert!(refused.get() < CASES / 4);
}

#[test]
fn random_nft_scripts() {
    run(|steps, kept, _| {
        let (text, rules) = nft(&steps);
        let mut before = "table inet t {\n chain c {\n".to_owned();
        for at in 0..kept {
            before += &format!("  counter comment \"K{at}\"\n");
        }
        before += " }\n}\n";
        let found = check_files(&[&before], &[("rules.nft", &text)], Resolved::Nft, true);
        prop_assert_eq!((found.rules, found.located), (rules, rules), "{}", text);
        Ok(())
    });
}
