//! Commands: `add rule …`, `flush ruleset`, and what has no verb.

use super::lexer::What;
use super::statement::Statement;
use super::{Reader, family, part};
use crate::checkpoint::Part;
use crate::rehearsal::source::build::Scope;
use crate::rehearsal::source::layout::{How, Step};

/// `NFPROTO_IPV4`: what nft takes where no family is said.
const DEFAULT_FAMILY: u8 = 2;
/// Objects that hold no rules.
const OTHERS: [&str; 15] = [
    "set",
    "map",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct",
    "secmark",
    "synproxy",
    "sets",
    "maps",
    "counters",
    "quotas",
    "limits",
];

impl Reader<'_> {
    /// The command that begins here.
    pub(super) fn command(&mut self) {
        if self.common() {
            return;
        }
        let verb = self.lexer.peek().text.clone();
        match verb.as_str() {
            "table" | "chain" => self.object(),
            "add" | "create" => {
                let verb = self.lexer.next();
                let object = self.lexer.peek();
                if matches!(object.text.as_str(), "table" | "chain") {
                    self.object();
                } else {
                    let mut statement = self.statement();
                    statement.tokens.insert(0, verb);
                    self.flat_rule(&statement, 1);
                }
            }
            "insert" | "replace" => {
                let statement = self.statement();
                self.flat_rule(&statement, 1);
            }
            "delete" | "destroy" => {
                let statement = self.statement();
                self.delete(&statement);
            }
            "flush" => {
                let statement = self.statement();
                self.flush(&statement);
            }
            "rename" => {
                let statement = self.statement();
                if let ["rename", "chain", rest @ ..] = statement.words().as_slice()
                    && let Some((part, [old, new])) = table(rest)
                {
                    self.builder.rename(&part, old, new);
                }
            }
            "list" | "reset" | "monitor" | "export" | "describe" | "get" | "import" => {
                self.statement();
            }
            _ => {
                let statement = self.statement();
                self.flat_rule(&statement, 0);
            }
        }
    }

    /// `table [FAMILY] NAME [{ … }]` or `chain [FAMILY] TABLE NAME [{ … }]`.
    fn object(&mut self) {
        let object = self.lexer.next();
        let mut words: Vec<String> = Vec::new();
        while matches!(self.lexer.peek().what, What::Word | What::Quoted) {
            words.push(self.lexer.next().text);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let block = self.lexer.peek().what == What::Open;
        let Some((part, rest)) = table(&words) else {
            self.statement();
            return;
        };
        if block {
            self.lexer.next();
        }
        match (object.text.as_str(), rest) {
            ("table", _) if block => self.table_block(&part),
            ("chain", [chain]) if block => self.chain_block(&part, chain),
            ("chain", [chain]) => drop(self.builder.chain(&part, chain)),
            (_, _) => {}
        }
    }

    /// `add`, `insert` or `replace`, with or without `rule`, or a rule alone.
    fn flat_rule(&mut self, statement: &Statement, verbs: usize) {
        let words = statement.words();
        let mut at = verbs;
        match words.get(at) {
            Some(&"rule") => at += 1,
            Some(other) if OTHERS.contains(other) => return,
            Some(_) | None => {}
        }
        let Some((part, [chain, rest @ ..])) = table(words.get(at..).unwrap_or_default()) else {
            return;
        };
        let mut from = words.len() - rest.len();
        let place = match rest {
            [key @ ("handle" | "position" | "index"), number, ..] => {
                from += 2;
                Some((*key, number.parse::<usize>().ok()))
            }
            _ => None,
        };
        let verb = words.first().filter(|_| verbs > 0).unwrap_or(&"add");
        let place_of = (&part, *chain);
        match (*verb, place) {
            ("add" | "create", None) => {
                self.rule(place_of, statement, from, How::Append, Step::Append);
            }
            ("insert", None) => {
                let step = |rule| Step::Insert(1, rule);
                self.rule(place_of, statement, from, How::Elsewhere, step);
            }
            // Indexes begin with 0; `add` goes behind the rule there, `insert` before it.
            ("add" | "create", Some(("index", Some(index)))) => {
                let step = |rule| Step::Insert(index.saturating_add(2), rule);
                self.rule(place_of, statement, from, How::Elsewhere, step);
            }
            ("insert", Some(("index", Some(index)))) => {
                let step = |rule| Step::Insert(index.saturating_add(1), rule);
                self.rule(place_of, statement, from, How::Elsewhere, step);
            }
            (_, _) => {
                self.rule(place_of, statement, from, How::Elsewhere, Step::Append);
                self.builder.chain(&part, chain).unsure = true;
            }
        }
    }

    fn delete(&mut self, statement: &Statement) {
        let words = statement.words();
        match words.get(1..).unwrap_or_default() {
            ["table", rest @ ..] => {
                if let Some((part, [])) = table(rest) {
                    self.builder.delete(Scope::Table(part));
                }
            }
            ["chain", rest @ ..] => {
                if let Some((part, [chain])) = table(rest) {
                    self.builder.delete(Scope::Chain(part, (*chain).to_owned()));
                }
            }
            // By handle: one of those that were there before.
            ["rule", rest @ ..] => {
                if let Some((part, [chain, ..])) = table(rest) {
                    let layout = self.builder.chain(&part, chain);
                    let placed =
                        |step: &Step| !matches!(step, Step::Append(_) | Step::Insert(1, _));
                    layout.unsure |= layout.steps.iter().any(placed);
                }
            }
            _ => {}
        }
    }

    fn flush(&mut self, statement: &Statement) {
        let words = statement.words();
        match words.get(1..).unwrap_or_default() {
            ["ruleset"] => self.builder.delete(Scope::All),
            ["ruleset", name] => {
                if let Some(family) = family(name) {
                    self.builder.delete(Scope::Family(family));
                }
            }
            ["table", rest @ ..] => {
                if let Some((part, [])) = table(rest) {
                    self.builder.flush(Scope::Table(part));
                }
            }
            ["chain", rest @ ..] => {
                if let Some((part, [chain])) = table(rest) {
                    self.builder.flush(Scope::Chain(part, (*chain).to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// `[FAMILY] TABLE`, and what follows.
fn table<'a, 'b>(words: &'a [&'b str]) -> Option<(Part, &'a [&'b str])> {
    match words {
        [word, name, rest @ ..] if family(word).is_some() => {
            Some((part(family(word)?, name), rest))
        }
        [name, rest @ ..] => Some((part(DEFAULT_FAMILY, name), rest)),
        [] => None,
    }
}
