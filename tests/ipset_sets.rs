//! IP sets, changed under rules that refer to them and brought back, in scratch namespaces.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod ipset_common;

use std::collections::BTreeMap;

use ipset_common::{change, load, save, scratch, tool};
use safe_apply::exec::Run;
use safe_apply::ipset::{Comparison, Error, Sets, indexes, parse_save};

const MANY: &str = "create ips hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 counters comment skbinfo bucketsize 12 initval 0x12345678
add ips 192.0.2.1 timeout 500 packets 3 bytes 400 comment \"two  words # 'x'\" skbmark 0x1/0xff skbprio 1:10 skbqueue 3
add ips 192.0.2.2 timeout 0 packets 0 bytes 0
create nets hash:net family inet6 hashsize 1024 maxelem 65536 bucketsize 4 initval 0x00000001
add nets 2001:db8::/32
add nets 2001:db8:1::/48 nomatch
create ipport hash:ip,port family inet hashsize 64 maxelem 100 counters bucketsize 12 initval 0x00000002
add ipport 192.0.2.1,tcp:22 packets 5 bytes 6
create ports bitmap:port range 0-1024 comment
add ports 22 comment \"ssh\"
add ports 80
create addresses bitmap:ip range 10.0.0.0-10.0.0.255 timeout 300
add addresses 10.0.0.7 timeout 200
create \"sp ace\" hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x00000003
add \"sp ace\" 192.0.2.9
create all list:set size 8 counters
add all \"sp ace\" packets 1 bytes 2
add all ips packets 3 bytes 4
";

/// `ipset save`, with what time changes taken out.
fn timeless() -> String {
    let text = save();
    let lines = text.lines().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if let (true, Some(at)) = (
            line.starts_with("add"),
            words.iter().position(|word| *word == "timeout"),
        ) && words[at + 1] != "0"
        {
            words[at + 1] = "limited";
        }
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_sets_is_an_empty_answer() {
    scratch(|| {
        assert_eq!(Sets::capture().unwrap(), Sets::default());
        assert!(indexes().unwrap().is_empty());
    });
}

#[test]
fn text_and_kernel_agree() {
    scratch(|| {
        load(MANY);
        let sets = Sets::capture().unwrap();
        assert_eq!(sets.sets.len(), 7);
        assert_eq!(sets.indexes["ips"], 0);
        assert_eq!(sets.get("sp ace").unwrap().members, ["192.0.2.9"]);
        let parsed = parse_save(MANY).unwrap();
        assert!(parsed.differing(&sets, Comparison::default()).is_empty());
        let printed = save();
        tool("ipset", &["destroy", "all"]);
        tool("ipset", &["destroy"]);
        load(sets.to_restore().unwrap());
        let same = |line: &str| !line.contains("timeout");
        assert!(
            save()
                .lines()
                .filter(|l| same(l))
                .eq(printed.lines().filter(|l| same(l)))
        );
    });
}

#[test]
fn destroyed_sets_come_back_as_they_were() {
    scratch(|| {
        load(MANY);
        let (checkpoint, printed) = (Sets::capture().unwrap(), timeless());
        tool("ipset", &["destroy", "all"]);
        tool("ipset", &["destroy"]);
        // Takes an index that is not the last one wanted.
        load("create other hash:ip\n");
        let names = checkpoint.differing(&Sets::capture().unwrap(), Comparison::default());
        assert_eq!(names.len(), 8);
        tool("ipset", &["destroy", "other"]);
        change(&checkpoint);
        assert_eq!(indexes().unwrap(), checkpoint.indexes);
        assert_eq!(timeless(), printed);
    });
}

#[test]
fn single_sets_get_their_former_index_back() {
    scratch(|| {
        load(MANY);
        let (checkpoint, printed) = (Sets::capture().unwrap(), timeless());
        for name in ["nets", "ports", "addresses"] {
            tool("ipset", &["destroy", name]);
        }
        change(&checkpoint);
        assert_eq!(indexes().unwrap(), checkpoint.indexes);
        assert_eq!(timeless(), printed);
    });
}

#[test]
fn changed_content_is_swapped_under_live_rules() {
    scratch(|| {
        load(MANY);
        let set = ["-m", "set", "--match-set", "ips", "src", "-j", "DROP"];
        for iptables in ["iptables-nft", "iptables-legacy"] {
            tool(iptables, &[&["-A", "INPUT"], set.as_slice()].concat());
        }
        let rules = || {
            ["iptables-nft-save", "iptables-legacy-save"]
                .map(|save| tool(save, &["-t", "filter"]).contains("--match-set ips src -j DROP"))
        };
        assert_eq!(rules(), [true, true]);
        let (checkpoint, printed) = (Sets::capture().unwrap(), timeless());
        tool("ipset", &["flush", "ips"]);
        tool("ipset", &["add", "ips", "203.0.113.1"]);
        tool("ipset", &["del", "all", "ips"]);
        load("create new hash:ip\n");
        tool("ipset", &["destroy", "ports"]);
        let damaged = Sets::capture().unwrap();
        let lines = checkpoint.describe_difference(&damaged, Comparison::default());
        assert_eq!(
            lines,
            [
                "ipset all: 0 member(s) added, 1 removed",
                "ipset ips: 1 member(s) added, 2 removed",
                "ipset new: is new, 0 member(s)",
                "ipset ports: is gone, had 2 member(s)",
            ]
        );
        change(&checkpoint);
        assert_eq!(indexes().unwrap(), checkpoint.indexes);
        assert_eq!(timeless(), printed);
        assert_eq!(rules(), [true, true]);
    });
}

#[test]
fn a_set_that_grew_comes_back_in_the_same_order() {
    scratch(|| {
        let members: String = (0..5000)
            .map(|n| format!("add big 10.1.{}.{}\n", n / 250, n % 250))
            .collect();
        load(format!("create big hash:ip hashsize 64\n{members}"));
        let (checkpoint, printed) = (Sets::capture().unwrap(), save());
        assert!(!printed.contains("hashsize 64 "), "it did not grow");
        tool("ipset", &["flush", "big"]);
        change(&checkpoint);
        assert_eq!(save(), printed);
        tool("ipset", &["destroy", "big"]);
        change(&checkpoint);
        assert_eq!(save(), printed);
    });
}

#[test]
fn a_bad_target_changes_nothing() {
    scratch(|| {
        load(MANY);
        let (live, printed) = (Sets::capture().unwrap(), timeless());
        let target = parse_save("create ips hash:ip\nadd ips 1.1.1.1\ncreate nets hash:net\nadd nets what?\ncreate x hash:ip\n").unwrap();
        let names = ["ips", "nets", "x"].map(str::to_owned);
        let error = Sets::prepare(&live, &target, &names).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Build { .. }), "{text}");
        assert!(text.contains("`nets`") && text.contains("what?"), "{text}");
        assert_eq!(timeless(), printed);
        assert_eq!(indexes().unwrap(), live.indexes);
    });
}

#[test]
fn a_set_in_use_that_is_not_wanted_is_reported() {
    scratch(|| {
        load("create a hash:ip\ncreate b hash:ip\n");
        tool(
            "iptables-nft",
            &["-A", "INPUT", "-m", "set", "--match-set", "a", "src"],
        );
        let live = Sets::capture().unwrap();
        let target = Sets::default();
        let names = ["a", "b"].map(str::to_owned);
        assert!(
            Sets::prepare(&live, &target, &names)
                .unwrap()
                .temporary()
                .is_empty()
        );
        let errors = Sets::settle(&live, &target, &names);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("`a`"), "{errors:?}");
        assert_eq!(indexes().unwrap(), BTreeMap::from([("a".to_owned(), 0)]));
    });
}

#[test]
fn names_and_comments_need_not_be_utf8() {
    scratch(|| {
        let long = "\u{fc}".repeat(15);
        load(
            b"create gr\xfcn hash:ip comment\nadd gr\xfcn 192.0.2.1 comment \"\xfc\"\n".as_slice(),
        );
        load(b"create l list:set size 8\nadd l gr\xfcn\n".as_slice());
        load(format!("create {long} hash:ip\nadd {long} 192.0.2.1\n"));
        let checkpoint = Sets::capture().unwrap();
        let print = || {
            Run::tool("ipset")
                .unwrap()
                .args(["save"])
                .success()
                .unwrap()
        };
        let printed = print();
        assert!(printed.windows(4).any(|bytes| bytes == b"gr\xfcn"));
        tool("ipset", &["flush"]);
        change(&checkpoint);
        assert_eq!(print(), printed);
        tool("ipset", &["destroy", "l"]);
        tool("ipset", &["destroy"]);
        change(&checkpoint);
        assert_eq!(print(), printed);
    });
}
