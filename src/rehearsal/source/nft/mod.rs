//! Reading nft scripts (nft(8)), as far as it takes to know which rule stands where.

mod block;
mod command;
mod include;
mod lexer;
mod statement;

use std::collections::BTreeMap;

use super::build::Builder;
use crate::candidate::Candidate;
use crate::checkpoint::Part;
use crate::nftables::TableId;
use lexer::{Lexer, Token, What};

/// Blocks inside blocks and chains inside rules: no script goes deeper.
const DEPTH_MAX: usize = 32;

/// Reads a script and the files that it includes.
pub(super) fn read(candidate: &Candidate, builder: &mut Builder) {
    builder.candidate.clone_from(&candidate.name);
    let bytes = candidate.for_tool();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut reader = Reader {
        lexer: Lexer::new(candidate, text),
        builder,
        variables: BTreeMap::new(),
        unnamed: BTreeMap::new(),
    };
    reader.script();
}

/// What the `number`th chain without a name of a table is called here.
pub(super) fn unnamed(number: usize) -> String {
    format!("__chain {number}")
}

struct Reader<'a> {
    lexer: Lexer,
    builder: &'a mut Builder,
    /// `define NAME = WORD`.
    variables: BTreeMap<String, String>,
    /// How many chains without a name each table has.
    unnamed: BTreeMap<Part, usize>,
}

/// The number of an address family (`NFPROTO_*`, `linux/netfilter.h`).
fn family(word: &str) -> Option<u8> {
    Some(match word {
        "inet" => 1,
        "ip" => 2,
        "arp" => 3,
        "netdev" => 5,
        "bridge" => 7,
        "ip6" => 10,
        _ => return None,
    })
}

fn part(family: u8, name: &str) -> Part {
    let name = name.to_owned();
    Part::Nft(TableId { family, name })
}

impl Reader<'_> {
    fn script(&mut self) {
        loop {
            match self.lexer.peek().what {
                What::End => return,
                What::Newline | What::Semicolon | What::Close | What::Open => {
                    self.lexer.next();
                }
                What::Word | What::Quoted => self.command(),
            }
        }
    }

    /// `include`, `define` and the like, which may stand in scripts, tables and chains; whether
    /// it was one.
    fn common(&mut self) -> bool {
        let word = self.lexer.peek().text.clone();
        match word.as_str() {
            "include" => {
                self.lexer.next();
                let pattern = self.lexer.next();
                let end = self.lexer.next();
                if pattern.what == What::Quoted && end.ends_statement() {
                    self.lexer.include(pattern.text.trim_matches('"'));
                }
                true
            }
            "define" | "redefine" => {
                let statement = self.statement();
                let text = joined(statement.tokens.get(1..).unwrap_or_default());
                if let Some((name, value)) = text.split_once('=') {
                    let value = self.value(value.trim());
                    self.variables.insert(name.trim().to_owned(), value);
                }
                true
            }
            "undefine" => {
                self.statement();
                true
            }
            _ => false,
        }
    }

    /// `word`, or what the variable stands for that it names.
    fn value(&self, word: &str) -> String {
        let known = word
            .strip_prefix('$')
            .and_then(|name| self.variables.get(name));
        known.map_or_else(|| word.trim_matches('"').to_owned(), Clone::clone)
    }
}

/// Tokens as text, in one line.
fn joined(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut blank = false;
    for token in tokens {
        let gap = blank || token.blank_before;
        blank = token.what == What::Newline;
        if blank {
            continue;
        }
        if gap && !text.is_empty() {
            text.push(' ');
        }
        text.extend(token.text.chars().map(|letter| match letter {
            '\n' => ' ',
            other => other,
        }));
    }
    text
}
