//! The words of an nft script.

use std::path::PathBuf;

use crate::candidate::Candidate;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Anything that is none of the others.
    Word,
    /// In quotes, which are kept.
    Quoted,
    Open,
    Close,
    Semicolon,
    Newline,
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub what: What,
    pub text: String,
    /// The number of its file.
    pub file: usize,
    /// From 1.
    pub line: usize,
    /// The line that it ends on.
    pub end_line: usize,
    /// Whether white space stands before it.
    pub blank_before: bool,
    /// Whether it is the first of its line.
    pub first: bool,
}

impl Token {
    pub fn ends_statement(&self) -> bool {
        matches!(self.what, What::Newline | What::Semicolon | What::End)
    }
}

/// A file that is being read.
#[derive(Debug)]
struct Input {
    text: String,
    at: usize,
    line: usize,
    file: usize,
    /// Whether only white space came so far in this line.
    fresh: bool,
}

/// Cuts a script and the files that it includes into tokens.
#[derive(Debug)]
pub(super) struct Lexer {
    inputs: Vec<Input>,
    peeked: Option<Token>,
    /// The names of all files met so far.
    pub files: Vec<String>,
    /// Where `include "x"` is looked for.
    pub search: Vec<PathBuf>,
    /// Where `include "./x"` counts from.
    pub cwd: PathBuf,
    /// How much has been included, in bytes.
    pub included: u64,
}

impl Lexer {
    pub fn new(candidate: &Candidate, text: String) -> Self {
        let parent = candidate.path.as_deref().and_then(|path| path.parent());
        let mut lexer = Self {
            inputs: Vec::new(),
            peeked: None,
            files: Vec::new(),
            search: std::iter::once(PathBuf::from("/etc"))
                .chain(parent.map(PathBuf::from))
                .collect(),
            cwd: candidate.cwd.clone(),
            included: 0,
        };
        lexer.push(candidate.name.clone(), text);
        lexer
    }

    /// Goes on with `text`, then with what was being read.
    pub fn push(&mut self, name: String, text: String) {
        self.inputs.push(Input {
            text,
            at: 0,
            line: 1,
            file: self.files.len(),
            fresh: true,
        });
        self.files.push(name);
    }

    /// How many files are open.
    pub const fn depth(&self) -> usize {
        self.inputs.len()
    }

    /// The next token, which stays.
    pub fn peek(&mut self) -> &Token {
        let token = match self.peeked.take() {
            Some(token) => token,
            None => self.read(),
        };
        self.peeked.insert(token)
    }

    /// The next token.
    pub fn next(&mut self) -> Token {
        match self.peeked.take() {
            Some(token) => token,
            None => self.read(),
        }
    }

    fn read(&mut self) -> Token {
        let last = self.inputs.len() == 1;
        let Some(input) = self.inputs.last_mut() else {
            return end(What::End);
        };
        if let Some(token) = input.read() {
            return token;
        }
        let what = if last { What::End } else { What::Newline };
        let token = Token {
            file: input.file,
            line: input.line,
            end_line: input.line,
            ..end(what)
        };
        self.inputs.pop();
        token
    }
}

const fn end(what: What) -> Token {
    Token {
        what,
        text: String::new(),
        file: 0,
        line: 0,
        end_line: 0,
        blank_before: false,
        first: false,
    }
}

impl Input {
    fn read(&mut self) -> Option<Token> {
        let start = self.at;
        self.skip();
        let blank_before = self.at > start;
        let rest = self.text.get(self.at..)?;
        let letter = rest.chars().next()?;
        let what = match letter {
            '{' => What::Open,
            '}' => What::Close,
            ';' => What::Semicolon,
            '\n' => What::Newline,
            '"' => What::Quoted,
            _ => What::Word,
        };
        let length = match what {
            What::Word => rest.find(ends_word).unwrap_or(rest.len()).max(1),
            What::Quoted => rest[1..].find('"').map_or(rest.len(), |at| at + 2),
            What::Open | What::Close | What::Semicolon | What::Newline | What::End => 1,
        };
        let text = rest.get(..length).unwrap_or(rest).to_owned();
        let line = self.line;
        self.line += text.matches('\n').count();
        self.at += text.len();
        let first = std::mem::replace(&mut self.fresh, what == What::Newline);
        let end_line = if what == What::Newline {
            line
        } else {
            self.line
        };
        Some(Token {
            what,
            text,
            file: self.file,
            line,
            end_line,
            blank_before,
            first,
        })
    }

    /// White space, comments, and newlines that do not count: behind `\`, and of lines with
    /// nothing but a comment.
    fn skip(&mut self) {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            if rest.starts_with([' ', '\t', '\r', '\u{c}']) {
                self.at += 1;
            } else if rest.starts_with("\\\n") {
                self.at += 2;
                self.line += 1;
                self.fresh = true;
            } else if rest.starts_with('#') {
                self.at += rest.find('\n').unwrap_or(rest.len());
                if self.fresh && self.at < self.text.len() {
                    self.at += 1;
                    self.line += 1;
                }
            } else {
                return;
            }
        }
    }
}

fn ends_word(letter: char) -> bool {
    letter.is_ascii_whitespace() || matches!(letter, '{' | '}' | ';' | '"' | '#')
}
