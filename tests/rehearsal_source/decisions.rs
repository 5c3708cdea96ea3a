//! Decisions in words, and their lines only where these are certain.

use safe_apply::candidate::Resolved;
use safe_apply::checkpoint::Part;
use safe_apply::legacy;
use safe_apply::netns::NetNs;
use safe_apply::nftables::TableId;
use safe_apply::rehearsal::report::Decision;
use safe_apply::rehearsal::source::{Sources, decision};

use crate::kernel::{candidates, load_here, spot, tool};

fn nft(family: u8, name: &str) -> Part {
    let name = name.to_owned();
    Part::Nft(TableId { family, name })
}

/// What is told of a chain with `counts.0` rules, once `file` is loaded over what the commands in
/// `before` made, which were `counts.1` rules.
fn told(
    before: &[&str],
    file: (&str, &str),
    at: (&Part, &str, Option<usize>),
    counts: (usize, usize),
) -> Decision {
    load_and_tell(before, file, at, counts, true)
}

fn load_and_tell(
    before: &[&str],
    file: (&str, &str),
    at: (&Part, &str, Option<usize>),
    counts: (usize, usize),
    noflush: bool,
) -> Decision {
    let backend = match at.0 {
        Part::Legacy(..) => Resolved::Legacy,
        Part::Nft(_) | Part::Set(_) => Resolved::Nft,
    };
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let files = candidates(dir.path(), &[file]);
    let sources = Sources::parse(&files, backend, noflush);
    let there = NetNs::scratch().unwrap();
    let found = there.enter(|| {
        for command in before {
            tool(&["sh", "-c", command], "").unwrap();
        }
        load_here(&files, backend, noflush, &lock).unwrap();
        decision(&spot(at.0, at.1, at.2), &sources, counts.0, counts.1)
    });
    found.unwrap()
}

#[test]
fn a_host_that_has_a_name_may_make_any_number_of_rules() {
    let text = "*filter\n:INPUT ACCEPT\n-A INPUT -s 192.0.2.1 -j ACCEPT\n-A INPUT -s localhost -j DROP\n-A INPUT -s 192.0.2.2 -j ACCEPT\nCOMMIT\n";
    let part = nft(2, "filter");
    let line = |rule, rules| {
        let at = (&part, "INPUT", Some(rule));
        let told = load_and_tell(&[], ("rules", text), at, (rules, 0), false);
        (told.line, told.text)
    };
    // As many as /etc/hosts has lines for it: one for ::1 counts, too.
    let names = NetNs::scratch().unwrap().enter(|| {
        tool(
            &[
                "iptables-nft",
                "-A",
                "INPUT",
                "-s",
                "localhost",
                "-j",
                "DROP",
            ],
            "",
        )
        .unwrap();
        let rules = tool(&["iptables-nft", "-S", "INPUT"], "").unwrap();
        rules.matches("-A INPUT").count()
    });
    let all = 2 + names.unwrap();
    assert_eq!(line(1, all).0, Some(3));
    for rule in 2..all {
        assert_eq!(
            line(rule, all),
            (Some(4), "-A INPUT -s localhost -j DROP".to_owned())
        );
    }
    assert_eq!(line(all, all).0, Some(5));
    // More rules than there are: the tool does not print what it is said to have made.
    assert_eq!(line(2, all + 1), (None, String::new()));
    // Nor does it stand for what was there before, even if nobody says that something was.
    let before = ["iptables-nft -A INPUT -s 127.0.0.9 -j DROP"];
    let at = (&part, "INPUT", Some(1));
    let of = load_and_tell(&before, ("rules", text), at, (all + 1, 0), true);
    assert_eq!(
        (of.line, of.text.as_str()),
        (None, "-A INPUT -s 127.0.0.9/32 -j DROP")
    );
}

#[test]
fn rules_whose_place_is_unknown_are_told_by_their_text() {
    let before = [
        "iptables-nft -A INPUT -p udp -j DROP",
        "iptables-nft -A INPUT -p tcp --dport 80 -j DROP",
    ];
    let text = "*filter\n-D INPUT -p udp -j DROP\n-A INPUT -p tcp --destination-port 22 -j DROP\n-A INPUT -p tcp --dport 80 -j DROP\nCOMMIT\n";
    let part = nft(2, "filter");
    let of = |rule| {
        let told = told(
            &before,
            ("rules", text),
            (&part, "INPUT", Some(rule)),
            (3, 1),
        );
        (told.line, told.text)
    };
    let live = "-A INPUT -p tcp -m tcp --dport 80 -j DROP".to_owned();
    assert_eq!(
        of(2),
        (
            Some(3),
            "-A INPUT -p tcp --destination-port 22 -j DROP".to_owned()
        )
    );
    // Which of the two that read alike is the file's cannot be told.
    assert_eq!(of(1), (None, live.clone()));
    assert_eq!(of(3), (None, live));
}

#[test]
fn rules_that_were_there_are_told_as_their_tool_prints_them() {
    let file = ("rules", "*filter\nCOMMIT\n");
    let legacy = Part::Legacy(legacy::Family::V4, "filter".to_owned());
    let policy = [
        "XTABLES_LOCKFILE=/dev/null iptables-legacy -P INPUT DROP",
        "XTABLES_LOCKFILE=/dev/null iptables-legacy -A INPUT -i lo -j ACCEPT",
    ];
    let of = told(&policy, file, (&legacy, "INPUT", None), (1, 1));
    assert_eq!((of.text.as_str(), of.line), ("-P INPUT DROP", None));
    let of = told(&policy, file, (&legacy, "INPUT", Some(1)), (1, 1));
    assert_eq!(of.text, "-A INPUT -i lo -j ACCEPT");
    // iptables-nft-save would print `-p tcp` for this one.
    let native = [
        "nft 'table ip filter { chain input { type filter hook input priority 0; policy drop; tcp dport { 1, 2 } counter drop; }; }'",
    ];
    let file = ("rules.nft", "table inet t\n");
    let of = told(&native, file, (&nft(2, "filter"), "input", Some(1)), (1, 1));
    assert_eq!(of.text, "tcp dport { 1, 2 } counter drop");
    let of = told(&native, file, (&nft(2, "filter"), "input", None), (1, 1));
    assert_eq!(of.text, "policy drop");
    // Nothing is there that could be printed.
    let of = told(&[], file, (&nft(2, "none"), "input", None), (0, 0));
    assert_eq!(of.text, "policy drop");
    let of = told(&[], file, (&nft(2, "none"), "input", Some(1)), (1, 0));
    assert_eq!(of.text, "");
}

#[test]
fn rules_that_go_are_counted_as_there_before() {
    let before = [
        "iptables-nft -A INPUT -p udp -j DROP",
        "iptables-nft -A INPUT -p icmp -j DROP",
    ];
    let text = "*filter\n-D INPUT 1\n-A INPUT -p tcp -j DROP\n-A INPUT -j DROP\nCOMMIT\n";
    let part = nft(2, "filter");
    let of = |rule| {
        told(
            &before,
            ("rules", text),
            (&part, "INPUT", Some(rule)),
            (3, 2),
        )
    };
    let found: Vec<_> = (1..=3).map(|rule| of(rule).line).collect();
    assert_eq!(found, [None, Some(3), Some(4)]);
    assert_eq!(of(1).text, "-A INPUT -p icmp -j DROP");
}
