//! Which format a text is in.

use super::Kind;
use super::error::Error;
use super::family::Family;
use super::text::excerpt;
use super::witness::decide;

/// Words after `add`, `create`, `delete`, `destroy`, `flush`, … in nft scripts (nft(8)).
const NFT_OBJECTS: [&str; 18] = [
    "ruleset",
    "table",
    "tables",
    "chain",
    "chains",
    "rule",
    "set",
    "sets",
    "map",
    "maps",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct",
    "secmark",
    "synproxy",
];
const NFT_VERBS: [&str; 10] = [
    "add", "create", "insert", "replace", "delete", "destroy", "flush", "reset", "rename", "list",
];
const NFT_STATEMENTS: [&str; 4] = ["define", "redefine", "undefine", "include"];

/// Recognises the format of `text` from its content; `name` is for error messages and, where
/// addresses and protocols say nothing, for the family; `forced` is what `v4:` or `v6:` said.
///
/// # Errors
/// [`Error::Input`] or [`Error::Line`], saying what is wrong and in which line.
pub fn recognise(name: &str, text: &str, forced: Option<Family>) -> Result<Kind, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some((number, first)) = significant(text).next() else {
        return Err(input(
            name,
            "it holds no rules, only blank lines or comments",
        ));
    };
    let kind = if first.starts_with('*') {
        check_tables(name, text)?;
        match decide(name, text, forced)? {
            Family::V4 => Kind::IptablesV4,
            Family::V6 => Kind::IptablesV6,
        }
    } else if is_nft(first) {
        Kind::Nft
    } else if is_ipset(first) {
        check_sets(name, text)?;
        Kind::Ipset
    } else {
        return Err(unrecognised(name, text, number, first));
    };
    match (forced, kind) {
        (Some(_), Kind::Nft | Kind::Ipset) => Err(input(
            name,
            &format!("v4: and v6: are for iptables rules, and this is in the format of: {kind}"),
        )),
        (Some(_) | None, _) => Ok(kind),
    }
}

/// The lines that are neither blank nor comments, trimmed, with their numbers from 1.
pub(super) fn significant(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(str::trim)
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn is_nft(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let first = head(words.next().unwrap_or_default());
    let second = words.next().unwrap_or_default();
    let object = head(second);
    if NFT_VERBS.contains(&first) {
        return NFT_OBJECTS.contains(&object) && !words.next().is_some_and(is_set_type);
    }
    if NFT_STATEMENTS.contains(&first) {
        return !second.is_empty();
    }
    // `add` may be left out; `set -e` is a line of a shell script.
    NFT_OBJECTS.contains(&first)
        && second.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
}

/// The identifier that `word` begins with.
fn head(word: &str) -> &str {
    let end = word.find(|c: char| !c.is_ascii_alphanumeric());
    &word[..end.unwrap_or(word.len())]
}

fn is_set_type(word: &str) -> bool {
    ["bitmap:", "hash:", "list:"]
        .iter()
        .any(|method| word.starts_with(method))
}

/// `create NAME TYPE …` or `add NAME ENTRY …`, options such as `-exist` aside.
fn is_ipset(line: &str) -> bool {
    let mut words = line
        .split_ascii_whitespace()
        .filter(|word| !word.starts_with('-'));
    match (words.next(), words.next(), words.next()) {
        (Some("create"), Some(_), Some(kind)) => is_set_type(kind),
        (Some("add"), Some(_), Some(_)) => true,
        (_, _, _) => false,
    }
}

fn check_sets(name: &str, text: &str) -> Result<(), Error> {
    match significant(text).find(|(_, line)| !is_ipset(line)) {
        None => Ok(()),
        Some((number, line)) => Err(Error::Line {
            name: name.to_owned(),
            line: number,
            reason: format!(
                "'{}' is not ipset save format, which has only `create NAME TYPE …` and `add NAME ENTRY …`",
                excerpt(line)
            ),
        }),
    }
}

/// Every `*table` needs its `COMMIT`: without it the tool leaves the table as it was. The line must hold
/// nothing else: iptables-restore takes `COMMIT` with a blank after it for a rule.
fn check_tables(name: &str, text: &str) -> Result<(), Error> {
    let error = |line, reason: String| Error::Line {
        name: name.to_owned(),
        line,
        reason,
    };
    let mut open: Option<(usize, &str)> = None;
    for (at, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line == "COMMIT" {
            if raw.trim_end_matches('\r') != line {
                let reason = "iptables-restore wants COMMIT without blanks around it".to_owned();
                return Err(error(at + 1, reason));
            }
            open = None;
        } else if line.starts_with('*') {
            if open.is_some() {
                break;
            }
            open = Some((at + 1, line));
        }
    }
    let Some((line, table)) = open else {
        return Ok(());
    };
    let table = excerpt(table);
    Err(error(
        line,
        format!(
            "the table '{table}' that begins here has no COMMIT line, so its rules would not be loaded"
        ),
    ))
}

fn unrecognised(name: &str, text: &str, number: usize, line: &str) -> Error {
    let hint = if looks_like_commands(text, line) {
        "; commands are run with: safe-apply run -- COMMAND"
    } else if line.starts_with('{') {
        "; rules in JSON are not accepted"
    } else {
        ""
    };
    input(
        name,
        &format!(
            "not recognised as iptables-save, nft or ipset save format; line {number}: '{}'{hint}",
            excerpt(line)
        ),
    )
}

fn looks_like_commands(text: &str, line: &str) -> bool {
    let shell = text.starts_with("#!") && !text.lines().next().unwrap_or_default().contains("nft");
    let command = line.split_ascii_whitespace().next().unwrap_or_default();
    let tool = command.rsplit('/').next().unwrap_or(command);
    shell || ["iptables", "ip6tables", "nft", "ipset", "ufw", "sudo"].contains(&tool)
}

/// An error about the whole file.
pub(super) fn input(name: &str, reason: &str) -> Error {
    Error::Input {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}
