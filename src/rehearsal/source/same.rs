//! Whether two rules are the same, one of them perhaps as the tool prints it.

use super::SourceRule;
use super::option::{self, Likeness};
use crate::candidate::Kind;

/// Compares a rule of a file with one that the tool printed.
pub(super) fn compare(rule: &SourceRule, printed: &SourceRule) -> Likeness {
    match (rule.kind, printed.kind) {
        (Kind::Nft, Kind::Nft) => nft(&rule.text, &printed.text),
        (Kind::IptablesV4 | Kind::IptablesV6, Kind::IptablesV4 | Kind::IptablesV6) => {
            option::compare(&rule.text, &printed.text)
        }
        (_, _) => Likeness::Possible,
    }
}

/// The same words in another order, in braces or not, are the same; anything else may be, as long
/// as both end alike.
fn nft(one: &str, two: &str) -> Likeness {
    let (a, b) = (words(one), words(two));
    let (mut sorted, mut other) = (a.clone(), b.clone());
    sorted.sort();
    other.sort();
    if sorted == other {
        return Likeness::Same;
    }
    if verdict(&a) == verdict(&b) {
        Likeness::Possible
    } else {
        Likeness::Different
    }
}

/// The words without counts.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| !separates(letter)) {
        rest = &rest[at..];
        let quoted = rest.strip_prefix('"').and_then(|inner| inner.find('"'));
        let length = match quoted {
            Some(inner) => inner + 2,
            None => rest.find(separates).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        words.push(word.to_owned());
    }
    let mut at = 0;
    while at < words.len() {
        let counts = matches!(words.get(at..at + 4),
            Some([a, _, b, _]) if a == "packets" && b == "bytes");
        let counts = counts && at > 0 && words.get(at - 1).is_some_and(|word| word == "counter");
        if counts {
            words.drain(at..at + 4);
        }
        at += 1;
    }
    words
}

const fn separates(letter: char) -> bool {
    letter.is_ascii_whitespace() || matches!(letter, ',' | '{' | '}' | ';')
}

/// The last word that says what becomes of a packet; where it goes, if it goes to a chain.
fn verdict(words: &[String]) -> Option<&[String]> {
    let at = words.iter().rposition(|word| {
        matches!(
            word.as_str(),
            "accept"
                | "drop"
                | "reject"
                | "queue"
                | "continue"
                | "return"
                | "jump"
                | "goto"
                | "masquerade"
                | "snat"
                | "dnat"
                | "redirect"
        )
    })?;
    let jump = words
        .get(at)
        .is_some_and(|word| word == "jump" || word == "goto");
    words.get(at..=at + usize::from(jump))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nft_rules() {
        let same = [
            ("tcp dport { 22,80 } accept", "tcp dport { 22, 80 } accept"),
            (
                "ct state related,established accept",
                "ct state { established, related } accept",
            ),
            ("counter drop", "counter packets 5 bytes 300 drop"),
            ("log prefix \"a b\" drop", "log prefix \"a b\" drop"),
        ];
        for (one, two) in same {
            assert_eq!(nft(one, two), Likeness::Same, "{one}");
        }
        let different = [
            ("tcp dport 22 accept", "tcp dport 22 drop"),
            ("jump a", "jump b"),
            (
                "tcp dport 22 counter",
                "tcp dport 22 counter packets 0 bytes 0 drop",
            ),
        ];
        for (one, two) in different {
            assert_eq!(nft(one, two), Likeness::Different, "{one}");
        }
        assert_eq!(
            nft("tcp dport ssh accept", "tcp dport 22 accept"),
            Likeness::Possible
        );
        assert_eq!(
            nft("log prefix \"a b\" drop", "log prefix \"b a\" drop"),
            Likeness::Possible
        );
    }

    #[test]
    fn iptables_rules() {
        let same = [
            (
                "-A INPUT -p tcp --dport 22 -j ACCEPT",
                "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            ),
            (
                "--append INPUT --source 10.1.2.3/255.255.0.0 --jump DROP",
                "-A INPUT -s 10.1.0.0/16 -j DROP",
            ),
            (
                "-A INPUT -j DROP -s 1.2.3.4",
                "-A INPUT -s 1.2.3.4/32 -j DROP",
            ),
            ("-A INPUT -s 0/0 -i + -p all -j DROP", "-A INPUT -j DROP"),
            (
                "-A INPUT -p 6 --syn -j DROP",
                "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
            ),
            (
                "-A INPUT -m state --state RELATED,ESTABLISHED -j DROP",
                "-A INPUT -m state --state ESTABLISHED,RELATED -j DROP",
            ),
            (
                "-A INPUT -m comment --comment \"-j x\" -j DROP",
                "-A INPUT -m comment --comment \"-j x\" -j DROP",
            ),
        ];
        for (one, two) in same {
            assert_eq!(option::compare(one, two), Likeness::Same, "{one}");
        }
        let different = [
            ("-A INPUT -j DROP", "-A INPUT -j ACCEPT"),
            (
                "-A INPUT -s 1.2.3.4 -j DROP",
                "-A INPUT ! -s 1.2.3.4/32 -j DROP",
            ),
            ("-A INPUT -s 1.2.3.4 -j DROP", "-A INPUT -j DROP"),
            (
                "-A INPUT -p tcp --dport 22 -j DROP",
                "-A INPUT -p tcp -m tcp --dport 23 -j DROP",
            ),
            (
                "-A INPUT -m comment --comment a -j DROP",
                "-A INPUT -m comment --comment b -j DROP",
            ),
            (
                "-A INPUT -s 1.2.3.0/24 -j DROP",
                "-A INPUT -s 1.2.3.0/25 -j DROP",
            ),
        ];
        for (one, two) in different {
            assert_eq!(option::compare(one, two), Likeness::Different, "{one}");
        }
        let possible = [
            (
                "-A INPUT -p tcp --dport ssh -j DROP",
                "-A INPUT -p tcp -m tcp --dport 22 -j DROP",
            ),
            (
                "-A INPUT -s a.example -j DROP",
                "-A INPUT -s 1.2.3.4/32 -j DROP",
            ),
            (
                "-A INPUT -s 1.2.3.4,5.6.7.8 -j DROP",
                "-A INPUT -s 5.6.7.8/32 -j DROP",
            ),
            (
                "-A INPUT -j REJECT",
                "-A INPUT -j REJECT --reject-with icmp-port-unreachable",
            ),
        ];
        for (one, two) in possible {
            assert_eq!(option::compare(one, two), Likeness::Possible, "{one}");
        }
    }
}
