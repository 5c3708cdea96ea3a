//! Statements: what stands between separators, braces balanced.

use super::lexer::{Token, What};
use super::{Reader, joined, unnamed};
use crate::candidate::Kind;
use crate::checkpoint::Part;
use crate::rehearsal::source::SourceRule;
use crate::rehearsal::source::layout::{Detail, How, Step};

/// A statement without what ends it.
#[derive(Debug)]
pub(super) struct Statement {
    pub tokens: Vec<Token>,
    /// Whether nothing stands behind it on its last line.
    pub ends_line: bool,
}

impl Statement {
    /// The words that it begins with.
    pub fn words(&self) -> Vec<&str> {
        let plain = |token: &&Token| matches!(token.what, What::Word | What::Quoted);
        let tokens = self.tokens.iter().take_while(plain);
        tokens.map(|token| token.text.as_str()).collect()
    }

    /// The line that it ends on, where nothing stands behind it.
    pub fn end(&self) -> Option<usize> {
        let last = self.tokens.last()?;
        self.ends_line.then_some(last.end_line)
    }
}

impl Reader<'_> {
    /// The statement that begins here, up to what ends it, which goes, or to the brace that closes
    /// what it stands in, which stays.
    pub(super) fn statement(&mut self) -> Statement {
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        loop {
            match self.lexer.peek().what {
                What::End => break,
                What::Newline | What::Semicolon if depth == 0 => {
                    return Statement {
                        tokens,
                        ends_line: self.separator(),
                    };
                }
                What::Close if depth == 0 => break,
                What::Open => depth += 1,
                What::Close => depth -= 1,
                What::Word | What::Quoted | What::Newline | What::Semicolon => {}
            }
            tokens.push(self.lexer.next());
        }
        Statement {
            tokens,
            ends_line: false,
        }
    }

    /// Takes the separator; whether the line ends with it.
    fn separator(&mut self) -> bool {
        let separator = self.lexer.next();
        match separator.what {
            What::Semicolon => {
                let next = self.lexer.peek();
                next.what == What::Newline && next.line == separator.line
            }
            What::Newline | What::End => true,
            What::Word | What::Quoted | What::Open | What::Close => false,
        }
    }

    /// Adds the rule that `tokens` of `statement` are.
    pub(super) fn rule(
        &mut self,
        place: (&Part, &str),
        statement: &Statement,
        from: usize,
        how: How,
        step: impl FnOnce(usize) -> Step,
    ) {
        let (part, _) = place;
        let tokens = statement.tokens.get(from..).unwrap_or_default();
        let Some(begin) = statement.tokens.first().filter(|_| !tokens.is_empty()) else {
            return;
        };
        let rule = self.source_rule(place, begin, tokens);
        let detail = Detail {
            how,
            begins_line: begin.first,
            ends_line: statement.end(),
        };
        self.builder.rule(rule, detail, step);
        self.unnamed_chains(part, tokens, 0);
    }

    fn source_rule(&self, place: (&Part, &str), begin: &Token, tokens: &[Token]) -> SourceRule {
        SourceRule {
            file: self.file_of(begin),
            line: begin.line,
            kind: Kind::Nft,
            part: place.0.clone(),
            chain: place.1.to_owned(),
            text: joined(tokens),
            makes: Some(1),
        }
    }

    /// The name of the file that a token stands in.
    pub(super) fn file_of(&self, token: &Token) -> String {
        let name = self.lexer.files.get(token.file);
        name.cloned().unwrap_or_default()
    }

    /// The chains in `jump { … }` and `goto { … }`.
    fn unnamed_chains(&mut self, part: &Part, tokens: &[Token], depth: usize) {
        let jumps = |pair: &[Token]| {
            matches!(pair, [verdict, open]
                if open.what == What::Open && matches!(verdict.text.as_str(), "jump" | "goto"))
        };
        let Some(at) = tokens.windows(2).position(jumps) else {
            return;
        };
        if depth > super::DEPTH_MAX {
            return;
        }
        let count = self.unnamed.entry(part.clone()).or_default();
        *count += 1;
        let chain = unnamed(*count);
        self.builder.chain(part, &chain);
        let body = tokens.get(at + 2..).unwrap_or_default();
        let (inside, outside) = body.split_at(closing(body));
        for tokens in statements(inside) {
            let Some(begin) = tokens.first() else {
                continue;
            };
            let rule = self.source_rule((part, &chain), begin, tokens);
            let detail = Detail {
                how: How::Block,
                begins_line: begin.first,
                ends_line: None,
            };
            self.builder.rule(rule, detail, Step::Append);
            self.unnamed_chains(part, tokens, depth + 1);
        }
        self.unnamed_chains(part, outside, depth + 1);
    }
}

/// Where the brace stands that closes what `tokens` are in.
fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.what {
            What::Open => depth += 1,
            What::Close if depth == 0 => return at,
            What::Close => depth -= 1,
            What::Word | What::Quoted | What::Semicolon | What::Newline | What::End => {}
        }
    }
    tokens.len()
}

/// `tokens` at each separator outside of braces, without empty ones.
fn statements(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.what {
                What::Open => depth += 1,
                What::Close => depth = depth.saturating_sub(1),
                What::Newline | What::Semicolon => return depth == 0,
                What::Word | What::Quoted | What::End => {}
            }
            false
        })
        .filter(|tokens| !tokens.is_empty())
        .collect()
}
