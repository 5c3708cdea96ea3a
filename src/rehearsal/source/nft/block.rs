//! `table … { … }` and `chain … { … }`.

use super::Reader;
use super::lexer::What;
use super::statement::Statement;
use crate::checkpoint::Part;
use crate::rehearsal::source::SourcePolicy;
use crate::rehearsal::source::layout::{How, Step};

impl Reader<'_> {
    /// Behind the brace that opens a table, to behind the one that closes it.
    pub(super) fn table_block(&mut self, part: &Part) {
        loop {
            match self.lexer.peek().what {
                What::End => return,
                What::Close => {
                    self.lexer.next();
                    return;
                }
                What::Newline | What::Semicolon | What::Open => {
                    self.lexer.next();
                }
                What::Word | What::Quoted => {
                    if self.common() {
                        continue;
                    }
                    if self.lexer.peek().text != "chain" {
                        self.statement();
                        continue;
                    }
                    self.lexer.next();
                    let name = self.lexer.next();
                    if self.lexer.peek().what == What::Open {
                        self.lexer.next();
                        self.chain_block(part, &name.text);
                    }
                }
            }
        }
    }

    /// Behind the brace that opens a chain, to behind the one that closes it.
    pub(super) fn chain_block(&mut self, part: &Part, chain: &str) {
        self.builder.chain(part, chain);
        loop {
            match self.lexer.peek().what {
                What::End => return,
                What::Close => {
                    self.lexer.next();
                    return;
                }
                What::Newline | What::Semicolon => {
                    self.lexer.next();
                }
                What::Word | What::Quoted | What::Open => {
                    if !self.common() {
                        let statement = self.statement();
                        self.in_chain(part, chain, &statement);
                    }
                }
            }
        }
    }

    fn in_chain(&mut self, part: &Part, chain: &str, statement: &Statement) {
        let words = statement.words();
        match words.as_slice() {
            ["type", kind, "hook", hook, ..] => {
                let all = statement.tokens.iter().map(|token| token.text.as_str());
                let priority: Vec<&str> = all.skip_while(|word| *word != "priority").collect();
                let priority = priority.get(1..).unwrap_or_default().join(" ");
                let hook = [(*kind).to_owned(), (*hook).to_owned(), priority];
                self.builder.chain(part, chain).hook = Some(hook);
            }
            ["policy", policy] => {
                let Some(first) = statement.tokens.first() else {
                    return;
                };
                let policy = SourcePolicy {
                    file: self.file_of(first),
                    line: first.line,
                    part: part.clone(),
                    chain: chain.to_owned(),
                    policy: self.value(policy),
                };
                self.builder.policy(policy, statement.end());
            }
            ["comment" | "flags" | "devices" | "device" | "hook", ..] | [] => {}
            _ => self.rule((part, chain), statement, 0, How::Block, Step::Append),
        }
    }
}
