//! nf_tables: counters, elements, objects, ipsets, devices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;

use std::collections::BTreeMap;

use nftables_support::{in_scratch, listing, nft, tool, union};
use safe_apply::nftables::{Compare, Error, Level, Ruleset, bring, bring_at};

fn captured(script: &str) -> Ruleset {
    nft("flush ruleset");
    nft(script);
    Ruleset::capture().unwrap()
}

/// Brings what is live to `target`, keeping all that is equal.
fn bring_finely(target: &Ruleset) {
    let live = Ruleset::capture().unwrap();
    bring_at(&live, target, &union(&live, target), Level::Fine).unwrap();
}

fn counting(packets: u32, other: &str) -> String {
    format!(
        "table ip t {{\ncounter hits {{\npackets {packets} bytes {packets}\n}}\nchain c {{\n\
         type filter hook input priority 0\n\
         counter packets {packets} bytes {packets} accept\n{other}\n}}\n}}\n"
    )
}

#[test]
fn live_counters_that_went_on_are_kept() {
    in_scratch(|| {
        let target = captured(&counting(5, "tcp dport 1 drop"));
        nft("flush ruleset");
        nft(&counting(7, "tcp dport 2 drop"));
        bring_finely(&target);
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&target, Compare::Rules).is_empty());
        assert_eq!(now.differing(&target, Compare::Exact).len(), 1);
        let text = listing();
        assert!(text.contains("counter packets 7 bytes 7 accept"), "{text}");
        assert!(text.contains("packets 7 bytes 7\n"), "{text}");
        assert!(text.contains("tcp dport 1 drop"), "{text}");
    });
}

#[test]
fn counters_that_were_reset_are_restored() {
    in_scratch(|| {
        let target = captured(&counting(5, "tcp dport 1 drop"));
        nft("flush ruleset");
        nft(&counting(0, "tcp dport 1 drop"));
        let live = Ruleset::capture().unwrap();
        assert!(live.differing(&target, Compare::Rules).is_empty());
        bring_finely(&target);
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&target, Compare::Exact).is_empty());
    });
}

#[test]
fn reset_policy_counters_are_restored() {
    in_scratch(|| {
        let rules = |packets| format!("*filter\n:INPUT DROP [{packets}:{packets}]\nCOMMIT\n");
        tool(&["iptables-nft-restore", "-c"], &rules(9)).unwrap();
        let target = Ruleset::capture().unwrap();
        tool(&["iptables-nft-restore", "-c"], &rules(0)).unwrap();
        let live = Ruleset::capture().unwrap();
        assert_eq!(live.differing(&target, Compare::Exact).len(), 1);
        bring_finely(&target);
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&target, Compare::Exact).is_empty());
    });
}

fn sets(hosts: u32, nets: u32) -> String {
    let address =
        |number: u32| format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
    let list = |count, end: &str| {
        let each = (0..count).map(|number| format!("{}{end}", address(number * 4)));
        each.collect::<Vec<_>>().join(", ")
    };
    format!(
        "table ip t {{\nset hosts {{\ntype ipv4_addr\nelements = {{ {} }}\n}}\n\
         set nets {{\ntype ipv4_addr\nflags interval\nelements = {{ {} }}\n}}\n\
         set pairs {{\ntype ipv4_addr . inet_service\nflags interval\nelements = {{ {} }}\n}}\n\
         chain c {{\ntype filter hook input priority 0\n\
         ip saddr @hosts drop\nip saddr @nets drop\nip saddr . tcp dport @pairs drop\n}}\n}}\n",
        list(hosts, ""),
        list(nets, "/31"),
        list(nets.min(100), "/31 . 1-9"),
    )
}

#[test]
fn large_sets_change_in_place() {
    in_scratch(|| {
        let two = captured(&sets(20_000, 15_000));
        let text = listing();
        let one = captured(&sets(19_000, 14_000));
        bring_finely(&two);
        assert_eq!(listing(), text);
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&two, Compare::Exact).is_empty());
        let handles = |ruleset: &Ruleset| {
            let rules = &ruleset.tables[0].chains[0].rules;
            rules.iter().map(|rule| rule.handle).collect::<Vec<_>>()
        };
        assert_eq!(handles(&now), handles(&one));
        assert_eq!(
            one.describe_difference(&two, &two.tables[0].id),
            ["set hosts: elements differ", "set nets: elements differ"]
        );
    });
}

#[test]
fn elements_with_a_timeout_come_back() {
    in_scratch(|| {
        let target = captured(
            "table ip t {\nset s {\ntype ipv4_addr\nflags timeout\n\
             elements = { 192.0.2.1 timeout 1h expires 29m30s, 192.0.2.2 timeout 2h }\n}\n}\n",
        );
        nft("flush set ip t s");
        bring_finely(&target);
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&target, Compare::Exact).is_empty());
        assert!(listing().contains("expires 29m"), "{}", listing());
    });
}

#[test]
fn a_coarser_way_is_taken_where_the_finer_is_refused() {
    in_scratch(|| {
        // The comment of a table cannot be changed in place.
        let target = captured("table ip t {\ncomment \"new\"\nchain c {\n}\n}\n");
        nft("flush ruleset");
        nft("table ip t {\ncomment \"old\"\nchain c {\n}\n}\n");
        let live = Ruleset::capture().unwrap();
        let tables = union(&live, &target);
        assert_eq!(
            live.describe_difference(&target, &tables[0]),
            ["flags or comment differ"]
        );
        bring(&live, &target, &tables).unwrap();
        assert!(listing().contains("new"));
    });
}

#[test]
fn ipset_indexes_are_translated() {
    in_scratch(|| {
        tool(&["ipset", "create", "first", "hash:ip"], "").unwrap();
        tool(&["ipset", "create", "second", "hash:ip"], "").unwrap();
        let rules = "*filter\n:INPUT ACCEPT\n\
                     -A INPUT -m set --match-set second src -j SET --add-set first src\nCOMMIT\n";
        tool(&["iptables-nft-restore"], rules).unwrap();
        let ruleset = Ruleset::capture().unwrap();
        let indexes: Vec<_> = ruleset.set_indexes().into_iter().collect();
        assert_eq!(indexes.len(), 2);

        let swap = BTreeMap::from([(indexes[0], indexes[1]), (indexes[1], indexes[0])]);
        bring_finely(&ruleset.with_set_indexes(&swap).unwrap());
        let saved = tool(&["iptables-nft-save"], "").unwrap();
        assert!(saved.contains("--match-set first src"), "{saved}");
        assert!(saved.contains("--add-set second src"), "{saved}");

        let half = BTreeMap::from([(indexes[0], 7)]);
        let error = ruleset.with_set_indexes(&half).unwrap_err();
        assert!(
            matches!(error, Error::UnknownSetIndex { index, .. } if index == indexes[1]),
            "{error}"
        );
    });
}

#[test]
fn devices_are_named() {
    in_scratch(|| {
        let ruleset = captured(
            "table netdev t {\nchain c {\ntype filter hook ingress device \"lo\" priority 0\n}\n}\n",
        );
        let names: Vec<_> = ruleset.device_names().into_iter().collect();
        assert_eq!(names, ["lo"]);
        nft("flush ruleset");
        bring_finely(&ruleset);
        assert!(listing().contains("lo"));
    });
}
