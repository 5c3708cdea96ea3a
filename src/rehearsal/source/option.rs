//! Options of an iptables rule in one form, whichever way they are written (iptables(8)).

use std::collections::BTreeMap;

use super::address::{is_any, network};
use crate::candidate::words;

/// Options whose value may look like an option.
const TEXTS: [&str; 5] = [
    "--comment",
    "--log-prefix",
    "--nflog-prefix",
    "--ulog-prefix",
    "--string",
];
/// Protocols whose match the tools load by themselves.
const IMPLIED: [&str; 13] = [
    "tcp",
    "udp",
    "udplite",
    "sctp",
    "dccp",
    "icmp",
    "icmp6",
    "icmpv6",
    "ipv6-icmp",
    "esp",
    "ah",
    "mh",
    "ipv6-mh",
];
/// Long names of what the tools print with a short one, and what may follow them in either case.
const SHORT: [(&str, &str, usize); 11] = [
    ("--protocol", "-p", 4),
    ("--source", "-s", 4),
    ("--src", "-s", 4),
    ("--destination", "-d", 4),
    ("--dst", "-d", 4),
    ("--in-interface", "-i", 4),
    ("--out-interface", "-o", 3),
    ("--jump", "-j", 3),
    ("--goto", "-g", 3),
    ("--match", "-m", 3),
    ("--fragment", "-f", 4),
];
/// The same for options of matches, which the tools print with one of their long names.
const LONG: [(&str, &str); 6] = [
    ("--destination-port", "--dport"),
    ("--source-port", "--sport"),
    ("--destination-ports", "--dports"),
    ("--source-ports", "--sports"),
    ("--set", "--match-set"),
    ("--tos", "--set-tos"),
];

/// How two rules compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// They say the same.
    Same,
    /// Nothing in them shows that they are not the same.
    Possible,
    /// They are not the same.
    Different,
}

/// An option: its name as the tools print it, and whether it is negated.
type Key = (String, bool);

/// The option that `word` is or abbreviates, as the tools print it.
pub(super) fn name(word: &str) -> &str {
    if !word.starts_with("--") {
        return word;
    }
    let short = SHORT
        .iter()
        .find(|(long, _, least)| word.len() >= *least && long.starts_with(word));
    if let Some((_, short, _)) = short {
        return short;
    }
    let long = LONG.iter().find(|(long, _)| *long == word);
    long.map_or(word, |(_, name)| name)
}

/// The words of a rule with `--option=value` taken apart; texts in which a word could be taken
/// for an option have a blank before it.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in words(line) {
        if parts
            .last()
            .is_some_and(|last| TEXTS.contains(&last.as_str()))
        {
            parts.push(format!(" {word}"));
            continue;
        }
        match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => {
                parts.push(option.to_owned());
                parts.push(value.to_owned());
            }
            Some(_) | None => parts.push(word.to_owned()),
        }
    }
    parts
}

/// Compares a rule of a file with one that the tool printed, or two of either sort.
pub(super) fn compare(one: &str, two: &str) -> Likeness {
    let (one, two) = (options(one), options(two));
    let mut likeness = Likeness::Same;
    let keys = one.keys().chain(two.keys());
    for key in keys {
        let found = match (one.get(key), two.get(key)) {
            (Some(a), Some(b)) => values(&key.0, a, b),
            (None, None) => Likeness::Same,
            // What is printed and was not written may be what the tool takes otherwise.
            (Some(_), None) | (None, Some(_)) => match key.0.as_str() {
                "--reject-with" | "--limit-burst" | "--icmp-type" | "--name" | "--mask"
                | "--rsource" | "--hashlimit-name" | "--queue-num" => Likeness::Possible,
                _ => Likeness::Different,
            },
        };
        match found {
            Likeness::Same => {}
            Likeness::Possible => likeness = Likeness::Possible,
            Likeness::Different => return Likeness::Different,
        }
    }
    likeness
}

fn options(line: &str) -> BTreeMap<Key, Vec<String>> {
    let mut found: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let mut negated = false;
    let mut current: Option<Key> = None;
    for word in split(line) {
        if word == "!" {
            negated = true;
            continue;
        }
        let counters = word.starts_with('[') && word.ends_with(']');
        if !word.starts_with('-') || word.parse::<f64>().is_ok() {
            match &current {
                Some(key) => found.entry(key.clone()).or_default().push(word),
                None if counters => {}
                None => found.entry((String::new(), false)).or_default().push(word),
            }
            continue;
        }
        if word == "--syn" {
            let flags = ["FIN,SYN,RST,ACK", "SYN"].map(str::to_owned).to_vec();
            found.insert(("--tcp-flags".to_owned(), negated), flags);
        }
        let key = (name(&word).to_owned(), negated);
        negated = false;
        found.entry(key.clone()).or_default();
        current = Some(key);
    }
    found.retain(|(option, _), values| keep(option, values));
    found
}

/// Leaves out what says nothing about packets.
fn keep(option: &str, values: &mut Vec<String>) -> bool {
    match option {
        "-A" | "-I" | "-D" | "-R" | "-c" | "--set-counters" | "-4" | "-6" | "--ipv4" | "--ipv6"
        | "--syn" => false,
        option if is_command(option) => false,
        "-m" => {
            values.retain(|value| !IMPLIED.contains(&value.as_str()));
            !values.is_empty()
        }
        "-s" | "-d" => !values.iter().all(|value| is_any(value)),
        "-i" | "-o" => values.iter().any(|value| value != "+"),
        "-p" => !values.iter().all(|value| value == "all" || value == "0"),
        _ => true,
    }
}

/// `--append` and the like, shortened or not.
fn is_command(option: &str) -> bool {
    option.len() > 3
        && ["--append", "--insert", "--delete", "--replace"]
            .iter()
            .any(|command| command.starts_with(option))
}

fn values(option: &str, one: &[String], two: &[String]) -> Likeness {
    if one == two {
        return Likeness::Same;
    }
    let list = |values: &[String]| {
        let all = values.iter().flat_map(|value| value.split(','));
        let mut all: Vec<String> = all.map(|value| value.to_ascii_lowercase()).collect();
        all.sort();
        all
    };
    let (a, b) = (list(one), list(two));
    match option {
        "-s" | "-d" => addresses(&a, &b),
        "-p" => decided(a.len() == b.len() && protocol(&a) == protocol(&b)),
        "-j" | "-g" | "-i" | "-o" | "--comment" => Likeness::Different,
        "--state" | "--ctstate" | "-m" | "--tcp-flags" => decided(a == b),
        "--dport" | "--sport" | "--dports" | "--sports" | "--ports" => {
            let names = |list: &[String]| {
                let mut letters = list.iter().flat_map(|port| port.chars());
                letters.any(char::is_alphabetic)
            };
            match a == b {
                true => Likeness::Same,
                // A service's name.
                false if names(&a) || names(&b) => Likeness::Possible,
                false => Likeness::Different,
            }
        }
        _ => Likeness::Possible,
    }
}

const fn decided(same: bool) -> Likeness {
    if same {
        Likeness::Same
    } else {
        Likeness::Different
    }
}

fn protocol(list: &[String]) -> Vec<&str> {
    let name = |value: &String| match value.as_str() {
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" | "icmpv6" => "ipv6-icmp",
        _ => "",
    };
    let of = |value| match name(value) {
        "" => value.as_str(),
        name => name,
    };
    list.iter().map(of).collect()
}

/// One of several addresses is enough: each makes a rule of its own.
fn addresses(one: &[String], two: &[String]) -> Likeness {
    let (a, b): (Vec<_>, Vec<_>) = (
        one.iter().map(|value| network(value)).collect(),
        two.iter().map(|value| network(value)).collect(),
    );
    if a == b && !a.contains(&None) {
        return Likeness::Same;
    }
    let meet = a
        .iter()
        .any(|network| network.is_none() || b.contains(network));
    if meet || b.contains(&None) {
        Likeness::Possible
    } else {
        Likeness::Different
    }
}
