//! Reading iptables-save format (iptables-restore(8)).

use super::address::network;
use super::build::{Builder, Scope};
use super::layout::{Detail, How, Section, Step};
use super::option::{self, split};
use super::{SourcePolicy, SourceRule};
use crate::candidate::{Candidate, Family, Kind, Resolved};
use crate::checkpoint::Part;
use crate::{legacy, nftables};

/// What a line may be told to do, shortest unambiguous form of the long name last.
const COMMANDS: [(Command, &str, &str, usize); 8] = [
    (Command::Append, "-A", "--append", 4),
    (Command::Insert, "-I", "--insert", 4),
    (Command::Delete, "-D", "--delete", 8),
    (Command::Replace, "-R", "--replace", 5),
    (Command::Policy, "-P", "--policy", 4),
    (Command::Flush, "-F", "--flush", 4),
    (Command::Remove, "-X", "--delete-chain", 9),
    (Command::Rename, "-E", "--rename-chain", 5),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Append,
    Insert,
    Delete,
    Replace,
    Policy,
    Flush,
    Remove,
    Rename,
}

/// The table called `table` of `family`, as `backend` keeps it.
fn part(backend: Resolved, family: Family, table: &str) -> Part {
    let name = table.to_owned();
    match (backend, family) {
        (Resolved::Nft, Family::V4) => Part::Nft(nftables::TableId { family: 2, name }),
        (Resolved::Nft, Family::V6) => Part::Nft(nftables::TableId { family: 10, name }),
        (Resolved::Legacy, Family::V4) => Part::Legacy(legacy::Family::V4, name),
        (Resolved::Legacy, Family::V6) => Part::Legacy(legacy::Family::V6, name),
    }
}

/// Reads a file for `iptables-restore`, or `ip6tables-restore`.
pub(super) fn read(
    candidate: &Candidate,
    family: Family,
    backend: Resolved,
    noflush: bool,
    builder: &mut Builder,
) {
    builder.candidate.clone_from(&candidate.name);
    let bytes = candidate.for_tool();
    let text = String::from_utf8_lossy(&bytes);
    let mut reader = Reader {
        file: &candidate.name,
        kind: candidate.kind,
        family,
        part: part(backend, family, "filter"),
        builder,
    };
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(table) = text.strip_prefix('*') {
            reader.part = part(backend, family, table.trim());
            if !noflush {
                let scope = Scope::Table(reader.part.clone());
                reader.builder.flush(scope);
            }
        } else if let Some(header) = text.strip_prefix(':') {
            reader.header(line, header);
        } else if text == "COMMIT" {
            reader.builder.section(Section {
                file: candidate.name.clone(),
                part: reader.part.clone(),
                commit: line,
            });
        } else if !text.is_empty() && !text.starts_with('#') {
            reader.rule(line, text, &|table| part(backend, family, table));
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    kind: Kind,
    family: Family,
    part: Part,
    builder: &'a mut Builder,
}

impl Reader<'_> {
    /// `INPUT DROP [0:0]`.
    fn header(&mut self, line: usize, header: &str) {
        let mut words = header.split_ascii_whitespace();
        let (Some(chain), Some(policy)) = (words.next(), words.next()) else {
            return;
        };
        if policy == "-" {
            // A user's chain that is there already is emptied, whatever --noflush says.
            let scope = Scope::Chain(self.part.clone(), chain.to_owned());
            self.builder.flush(scope);
            self.builder.chain(&self.part, chain);
        } else {
            self.policy(line, chain, policy);
        }
    }

    fn policy(&mut self, line: usize, chain: &str, policy: &str) {
        let policy = SourcePolicy {
            file: self.file.to_owned(),
            line,
            part: self.part.clone(),
            chain: chain.to_owned(),
            policy: policy.to_owned(),
        };
        self.builder.policy(policy, Some(line));
    }

    fn rule(&mut self, line: usize, text: &str, table: &dyn Fn(&str) -> Part) {
        let text = without_counters(text);
        let words = split(text);
        if let Some(name) = value_of(&words, "-t").or_else(|| value_of(&words, "--table")) {
            self.part = table(name);
        }
        let Some((command, at, attached)) = command(&words) else {
            return;
        };
        let mut rest = attached
            .into_iter()
            .chain(words.iter().skip(at + 1).map(String::as_str));
        let chain = rest.next().unwrap_or_default();
        let next = rest.next().unwrap_or_default();
        let number = next.parse::<usize>().ok();
        let like = || Step::DeleteLike(text.to_owned());
        match command {
            Command::Append => self.add(line, text, &words, chain, How::Append, Step::Append),
            Command::Insert => {
                let place = number.unwrap_or(1);
                let step = |rule| Step::Insert(place, rule);
                self.add(line, text, &words, chain, How::Elsewhere, step);
            }
            Command::Replace => {
                let place = number.unwrap_or(0);
                let step = |rule| Step::Replace(place, rule);
                self.add(line, text, &words, chain, How::Elsewhere, step);
            }
            Command::Delete => {
                let step = number.map_or_else(like, Step::Delete);
                self.builder.chain(&self.part, chain).steps.push(step);
            }
            Command::Policy => self.policy(line, chain, next),
            Command::Flush if chain.is_empty() => {
                let scope = Scope::Table(self.part.clone());
                self.builder.flush(scope);
            }
            Command::Flush => {
                let scope = Scope::Chain(self.part.clone(), chain.to_owned());
                self.builder.flush(scope);
            }
            Command::Remove => {
                let scope = Scope::Chain(self.part.clone(), chain.to_owned());
                if !chain.is_empty() {
                    self.builder.delete(scope);
                }
            }
            Command::Rename => {
                let part = self.part.clone();
                self.builder.rename(&part, chain, next);
            }
        }
    }

    fn add(
        &mut self,
        line: usize,
        text: &str,
        words: &[String],
        chain: &str,
        how: How,
        step: impl FnOnce(usize) -> Step,
    ) {
        let other = match self.family {
            Family::V4 => ["-6", "--ipv6"],
            Family::V6 => ["-4", "--ipv4"],
        };
        if words.iter().any(|word| other.contains(&word.as_str())) {
            return;
        }
        let rule = SourceRule {
            file: self.file.to_owned(),
            line,
            kind: self.kind,
            part: self.part.clone(),
            chain: chain.to_owned(),
            text: text.to_owned(),
            makes: makes(words),
        };
        let detail = Detail {
            how,
            begins_line: true,
            ends_line: Some(line),
        };
        self.builder.rule(rule, detail, step);
    }
}

/// The rule behind `[1:2]`.
fn without_counters(text: &str) -> &str {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim_start(),
        None => text,
    }
}

fn value_of<'a>(words: &'a [String], option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| option::name(word) == option)?;
    words.get(at + 1).map(String::as_str)
}

/// The command, where it stands, and the chain if it is written into the same word.
fn command(words: &[String]) -> Option<(Command, usize, Option<&str>)> {
    words.iter().enumerate().find_map(|(at, word)| {
        COMMANDS.iter().find_map(|(command, short, long, least)| {
            if word.starts_with("--") {
                let is = word.len() >= *least && long.starts_with(word.as_str());
                return is.then_some((*command, at, None));
            }
            let chain = word.strip_prefix(short)?;
            Some((*command, at, (!chain.is_empty()).then_some(chain)))
        })
    })
}

/// One rule for each pair of a source and a destination; a host's name may stand for several.
fn makes(words: &[String]) -> Option<usize> {
    let mut product: usize = 1;
    for (at, word) in words.iter().enumerate() {
        if !matches!(option::name(word), "-s" | "-d") {
            continue;
        }
        let value = words.get(at + 1..)?.iter().find(|word| *word != "!")?;
        let all = value.split(',');
        let known = all.clone().all(is_numeric);
        product = product.checked_mul(known.then(|| all.count())?)?;
    }
    Some(product)
}

/// Masks with holes and the like are no names either.
fn is_numeric(address: &str) -> bool {
    let host = address.split('/').next().unwrap_or(address);
    network(host).is_some()
}
