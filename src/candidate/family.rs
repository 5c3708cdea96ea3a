//! IPv4 or IPv6: iptables-save format does not say, its addresses and protocols do.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::text::words;

/// An address family of iptables rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, `iptables`.
    V4,
    /// IPv6, `ip6tables`.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A word that gives a family away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// The family that it speaks for.
    pub family: Family,
    /// Whether the other family's tool would refuse it; `-p icmp` is accepted by both.
    pub certain: bool,
    /// The word.
    pub word: &'a str,
}

/// Options whose value is one or more addresses (iptables-extensions(8)).
const ADDRESS_OPTIONS: [&str; 19] = [
    "-s",
    "--source",
    "--src",
    "-d",
    "--destination",
    "--dst",
    "--to-destination",
    "--to-source",
    "--to",
    "--src-range",
    "--dst-range",
    "--on-ip",
    "--gateway",
    "--ctorigsrc",
    "--ctorigdst",
    "--ctreplsrc",
    "--ctrepldst",
    "--src-pfx",
    "--dst-pfx",
];

/// What one line of iptables-save format says about its family.
#[must_use]
pub fn evidence(line: &str) -> Vec<Evidence<'_>> {
    let words = words(line);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if !word.starts_with('-') {
            continue;
        }
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            Some(_) | None => (*word, None),
        };
        // Old files write the negation after the option.
        let next = words[at + 1..].iter().find(|word| **word != "!");
        let Some(value) = value.or(next.copied()) else {
            continue;
        };
        let (family, certain) = match option {
            "-p" | "--protocol" | "--proto" => (of_protocol(value), false),
            "-m" | "--match" => (of_match(value), true),
            "--icmp-type" => (Some(Family::V4), true),
            "--icmpv6-type" => (Some(Family::V6), true),
            "--reject-with" => (of_reject(value), true),
            option if ADDRESS_OPTIONS.contains(&option) => (of_addresses(value), true),
            _ => (None, false),
        };
        if let Some(family) = family {
            let word = value;
            found.push(Evidence {
                family,
                certain,
                word,
            });
        }
    }
    found
}

fn of_protocol(value: &str) -> Option<Family> {
    match value.to_ascii_lowercase().as_str() {
        "icmp" | "1" => Some(Family::V4),
        "icmpv6" | "ipv6-icmp" | "58" => Some(Family::V6),
        _ => None,
    }
}

fn of_match(value: &str) -> Option<Family> {
    match value {
        "icmp" | "ttl" | "realm" => Some(Family::V4),
        "icmp6" | "icmpv6" | "hl" | "ipv6header" | "frag" | "rt" | "hbh" | "dst" | "mh" | "srh"
        | "eui64" => Some(Family::V6),
        _ => None,
    }
}

fn of_reject(value: &str) -> Option<Family> {
    if value.starts_with("icmp6-") {
        Some(Family::V6)
    } else if value.starts_with("icmp-") {
        Some(Family::V4)
    } else {
        None
    }
}

/// Lists (`a,b`), masks (`a/b`), ranges (`a-b`) and ports (`a:1`, `[a]:1`) around literal addresses.
fn of_addresses(value: &str) -> Option<Family> {
    value.split([',', '-']).find_map(|part| {
        let part = part.split('/').next().unwrap_or(part);
        let bare = match part.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => part,
        };
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Some(Family::V6);
        }
        let host = bare.split(':').next().unwrap_or(bare);
        host.parse::<Ipv4Addr>().is_ok().then_some(Family::V4)
    })
}

/// What a file's name says: `rules.v6`, `ip6tables.rules`, `rules6-save`, `fw-ipv4.txt`.
#[must_use]
pub fn by_name(name: &str) -> Option<Family> {
    let file = Path::new(name).file_name()?.to_str()?.to_ascii_lowercase();
    let says = |digit: char| {
        file.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|part| names_family(part, digit))
    };
    match (says('4'), says('6')) {
        (true, false) => Some(Family::V4),
        (false, true) => Some(Family::V6),
        (true, true) | (false, false) => None,
    }
}

fn names_family(part: &str, digit: char) -> bool {
    const STEMS: [&str; 10] = [
        "v", "ip", "ipv", "inet", "rules", "rulesv", "iptables", "firewall", "fw", "fwv",
    ];
    part.strip_suffix(digit)
        .is_some_and(|stem| STEMS.contains(&stem))
        || ["ip", "ipv"].iter().any(|stem| {
            part.strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with(digit))
        })
}
