//! nf_tables: what stays in place, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;

use nftables_support::{ids, in_scratch, listing, nft};
use safe_apply::nftables::{Compare, Error, Level, Ruleset, bring, bring_at};

/// A thousand rules, number `changed` of which differs.
fn thousand(changed: Option<usize>) -> String {
    let mut script = String::from("flush ruleset\ntable ip t {\nchain c {\n");
    script.push_str("type filter hook input priority 0; policy drop;\n");
    for number in 0..1000 {
        let port = if changed == Some(number) {
            50_000
        } else {
            number
        };
        script.push_str(&format!("tcp dport {port} counter accept\n"));
    }
    script + "}\n}\n"
}

#[test]
fn rules_that_are_equal_keep_handles_and_counters() {
    in_scratch(|| {
        nft(&thousand(Some(500)));
        let target = Ruleset::capture().unwrap();
        nft(&thousand(None));
        let live = Ruleset::capture().unwrap();
        let differing = live.differing(&target, Compare::Rules);
        assert_eq!(differing.len(), 1);
        assert_eq!(
            live.describe_difference(&target, &differing[0]),
            ["chain c: 1 rule added, 1 removed"]
        );
        bring_at(&live, &target, &differing, Level::Fine).unwrap();

        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&target, Compare::Exact).is_empty());
        let before = &live.tables[0].chains[0].rules;
        let after = &now.tables[0].chains[0].rules;
        assert_eq!(after.len(), 1000);
        for (number, (old, new)) in before.iter().zip(after).enumerate() {
            assert_eq!(old.handle == new.handle, number != 500, "rule {number}");
        }
    });
}

#[test]
fn a_commit_in_between_is_noticed_and_nothing_changes() {
    in_scratch(|| {
        nft(&thousand(None));
        let live = Ruleset::capture().unwrap();
        nft("table ip other {\n chain c {\n counter\n}\n}\n");
        let before = listing();
        let error = bring(&live, &Ruleset::default(), &ids(&live)).unwrap_err();
        assert!(matches!(error, Error::Concurrent), "{error}");
        assert_eq!(listing(), before);
    });
}

#[test]
fn an_absent_table_is_removed_and_comes_back() {
    in_scratch(|| {
        nft(&thousand(None));
        let before = listing();
        let full = Ruleset::capture().unwrap();
        bring(&full, &Ruleset::default(), &ids(&full)).unwrap();
        assert_eq!(listing(), "");
        let empty = Ruleset::capture().unwrap();
        bring(&empty, &full, &ids(&full)).unwrap();
        assert_eq!(listing(), before);
    });
}
