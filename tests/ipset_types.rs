//! Sets whose type changes, in scratch namespaces: unreferenced, under rules,
//! as members of sets of sets.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod ipset_common;

use ipset_common::{change, load, save, scratch, tool};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use safe_apply::ipset::{Comparison, Error, Refusal, Sets, TEMPORARY_PREFIX, indexes, parse_save};
use safe_apply::legacy::{Family, Lock, Tables};

const V4: &str = "create a hash:ip\nadd a 192.0.2.1\n";
const V6: &str = "create a hash:ip family inet6\nadd a 2001:db8::1\n";
const RULE: [&str; 4] = ["-m", "set", "--match-set", "a"];

fn rule(tool_name: &str, verb: &str, set: &str) {
    let [m, module, option, _] = RULE;
    tool(tool_name, &[verb, "INPUT", m, module, option, set, "src"]);
}

/// Sets as the kernel holds them once `text` is loaded.
fn compiled(text: &str) -> Sets {
    let mut sets = Sets::default();
    scratch(|| {
        load(text);
        sets = Sets::capture().unwrap();
    });
    sets
}

fn equal(target: &Sets) {
    let after = Sets::capture().unwrap();
    let differing = target.differing(&after, Comparison::default());
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn unreferenced_sets_are_made_anew_at_once() {
    scratch(|| {
        load(format!("create first hash:ip\n{V4}create last hash:ip\n"));
        let (checkpoint, printed) = (Sets::capture().unwrap(), save());
        tool("ipset", &["destroy", "a"]);
        load(V6);
        change(&checkpoint);
        assert_eq!(save(), printed);
        assert_eq!(indexes().unwrap(), checkpoint.indexes);
    });
}

#[test]
fn referenced_sets_go_through_a_temporary_name() {
    let target = compiled(V6);
    for rules in ["iptables-nft", "iptables-legacy"] {
        scratch(|| {
            load(V4);
            rule(rules, "-A", "a");
            let live = Sets::capture().unwrap();
            let names = live.differing(&target, Comparison::default());
            let prepared = Sets::prepare(&live, &target, &names).unwrap();
            let temporary = &prepared.temporary()["a"];
            assert!(temporary.starts_with(TEMPORARY_PREFIX) && temporary.len() <= 31);
            // The rules still see the old content.
            assert_eq!(indexes().unwrap()["a"], live.indexes["a"]);
            tool("ipset", &["test", "a", "192.0.2.1"]);
            tool("ipset", &["test", temporary, "2001:db8::1"]);

            let early = prepared.finish().unwrap_err();
            let in_use = matches!(
                early,
                Error::Kernel {
                    reason: Refusal::InUse,
                    ..
                }
            );
            assert!(in_use, "{early}");

            let (tool6, old) = (rules.replace("iptables", "ip6tables"), rules);
            rule(&tool6, "-A", temporary);
            rule(old, "-D", "a");
            prepared.finish().unwrap();
            rule(&tool6, "-A", "a");
            rule(&tool6, "-D", temporary);
            let errors = Sets::settle(&live, &target, &names);
            assert!(errors.is_empty(), "{errors:?}");
            equal(&target);
            assert_eq!(indexes().unwrap().len(), 1);
        });
    }
}

#[test]
fn legacy_tables_follow_a_set_to_its_temporary_name() {
    let target = compiled("create a hash:net\nadd a 192.0.2.0/24\n");
    scratch(|| {
        load(V4);
        rule("iptables-legacy", "-A", "a");
        let tables = Tables::capture().unwrap();
        let live = Sets::capture().unwrap();
        let names = ["a".to_owned()];
        let prepared = Sets::prepare(&live, &target, &names).unwrap();
        let parts = tables.naming_sets(prepared.temporary());
        assert_eq!(parts, [(Family::V4, "filter".to_owned())]);
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::wait(Duration::from_secs(5)).file(directory.path().join("lock"));
        let meanwhile = tables.with_set_names(prepared.temporary());
        assert!(meanwhile.restore(&parts, &lock).is_empty());
        prepared.finish().unwrap();
        assert!(tables.restore(&parts, &lock).is_empty());
        let errors = Sets::settle(&live, &target, &names);
        assert!(errors.is_empty(), "{errors:?}");
        equal(&target);
        assert_eq!(Tables::capture().unwrap(), tables);
        assert_eq!(indexes().unwrap(), live.indexes);
    });
}

#[test]
fn a_set_of_sets_alone_does_not_hold_a_type_back() {
    scratch(|| {
        load(format!("{V4}create l list:set size 8\nadd l a\n"));
        let live = Sets::capture().unwrap();
        let target = compiled(&format!("{V6}create l list:set size 8\nadd l a\n"));
        let names = live.differing(&target, Comparison::default());
        assert_eq!(names, ["a"]);
        let prepared = Sets::prepare(&live, &target, &names).unwrap();
        assert!(prepared.temporary().is_empty());
        assert!(Sets::settle(&live, &target, &names).is_empty());
        equal(&target);
        assert_eq!(indexes().unwrap(), live.indexes);
        tool("ipset", &["test", "l", "a"]);
    });
}

#[test]
fn a_rule_and_a_set_of_sets_hold_a_type_back() {
    scratch(|| {
        load(format!(
            "{V4}create l list:set size 8\nadd l a\ncreate old list:set size 8\nadd old a\n"
        ));
        rule("iptables-nft", "-A", "a");
        rule("iptables-nft", "-A", "l");
        let live = Sets::capture().unwrap();
        let target = compiled(&format!("{V6}create l list:set size 8\nadd l a\n"));
        let names = live.differing(&target, Comparison::default());
        assert_eq!(names, ["a", "old"]);
        let prepared = Sets::prepare(&live, &target, &names).unwrap();
        let temporary = prepared.temporary()["a"].clone();
        // The set of sets, whose index must stay, has the new content already.
        tool("ipset", &["test", "l", &temporary]);
        rule("iptables-nft", "-D", "a");
        prepared.finish().unwrap();
        tool("ipset", &["test", "l", "a"]);
        assert!(Sets::settle(&live, &target, &names).is_empty());
        equal(&target);
        assert_eq!(indexes().unwrap()["l"], live.indexes["l"]);
    });
}

#[test]
fn leftovers_of_a_killed_run_are_cleared() {
    scratch(|| {
        load(
            "create sa-tmp-1-0 hash:ip\ncreate sa-tmp-1-1 list:set size 8\nadd sa-tmp-1-1 sa-tmp-1-0\n",
        );
        load(V4);
        let live = Sets::capture().unwrap();
        let target = parse_save("create a hash:ip\nadd a 192.0.2.2\n").unwrap();
        let names = ["a".to_owned()];
        let prepared = Sets::prepare(&live, &target, &names).unwrap();
        assert!(prepared.temporary().is_empty());
        assert!(Sets::settle(&live, &target, &names).is_empty());
        assert_eq!(indexes().unwrap().into_keys().collect::<Vec<_>>(), ["a"]);
        tool("ipset", &["test", "a", "192.0.2.2"]);
    });
}

#[test]
fn a_list_becomes_a_plain_set_and_back() {
    scratch(|| {
        load("create m hash:ip\ncreate l list:set size 8\nadd l m\n");
        let (checkpoint, printed) = (Sets::capture().unwrap(), save());
        let target = compiled("create m hash:ip\ncreate l hash:ip\nadd l 192.0.2.1\n");
        change(&target);
        tool("ipset", &["test", "l", "192.0.2.1"]);
        change(&checkpoint);
        assert_eq!(save(), printed);
    });
}

#[test]
fn sets_that_took_a_former_index_make_room() {
    scratch(|| {
        load(
            "create a hash:ip\nadd a 192.0.2.1\ncreate b hash:net\ncreate c hash:ip\ncreate l list:set size 8\nadd l c\n",
        );
        let (checkpoint, printed) = (Sets::capture().unwrap(), save());
        tool("ipset", &["destroy", "a"]);
        tool("ipset", &["destroy", "b"]);
        load("create intruder hash:ip\ncreate a hash:ip\n");
        change(&checkpoint);
        assert_eq!(indexes().unwrap(), checkpoint.indexes);
        assert_eq!(save(), printed);
    });
}

#[test]
fn a_set_under_a_rule_keeps_the_index_it_has() {
    scratch(|| {
        load("create b hash:ip\ncreate a hash:ip\n");
        rule("iptables-nft", "-A", "a");
        rule("iptables-nft", "-A", "b");
        let before = indexes().unwrap();
        let mut target =
            compiled("create a hash:ip\nadd a 192.0.2.1\ncreate b hash:ip\nadd b 192.0.2.2\n");
        change(&target);
        assert_eq!(indexes().unwrap(), before);
        target.indexes.clear();
        change(&target);
    });
}

const TYPES: [(&str, &str); 5] = [
    ("hash:ip", "192.0.2."),
    ("hash:ip family inet6", "2001:db8::"),
    ("hash:net counters", "198.51.100."),
    ("bitmap:port range 0-99", ""),
    ("hash:ip,port timeout 600", "192.0.2.1,tcp:"),
];

/// `ipset restore` text of up to four plain sets and up to two sets of sets.
fn any_sets() -> impl Strategy<Value = String> {
    let plain = vec(
        (
            0..TYPES.len(),
            subsequence((1..20).collect::<Vec<u8>>(), 0..5),
        ),
        0..4,
    );
    let lists = vec(subsequence((0..4).collect::<Vec<usize>>(), 0..4), 0..2);
    (plain, lists, Just(["a", "b", "c", "d"]).prop_shuffle()).prop_map(|(plain, lists, names)| {
        let mut text = String::new();
        for ((kind, members), name) in plain.iter().zip(names) {
            let (create, prefix) = TYPES[*kind];
            text.push_str(&format!("create {name} {create}\n"));
            for member in members {
                text.push_str(&format!("add {name} {prefix}{member}\n"));
            }
        }
        for (list, members) in ["l", "m"].iter().zip(lists) {
            text.push_str(&format!("create {list} list:set size 8\n"));
            for member in members.into_iter().filter(|member| *member < plain.len()) {
                text.push_str(&format!("add {list} {}\n", names[member]));
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_sets_become_any_others(before in any_sets(), after in any_sets()) {
        scratch(|| {
            load(before.as_str());
            let checkpoint = Sets::capture().unwrap();
            change(&compiled(&after));
            let target = Sets::capture().unwrap();
            change(&checkpoint);
            equal(&checkpoint);
            assert_eq!(indexes().unwrap().len(), checkpoint.sets.len());
            change(&target);
            equal(&target);
        });
    }
}
