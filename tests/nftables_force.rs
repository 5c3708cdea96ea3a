//! nf_tables by force: from any state, unseen, to the wanted one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;

use nftables_support::{in_scratch, listing, nft, union};
use safe_apply::nftables::{Compare, Ruleset, TableId, bring, force, is_stand_in};

const CHECKPOINT: &str = "table inet fw {
    counter hits { packets 7 bytes 700 }
    set hosts { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }
    map ports { type inet_service : verdict; elements = { 22 : accept, 23 : jump one }; }
    chain one { counter packets 3 bytes 300 accept; }
    chain input {
        type filter hook input priority 0; policy drop;
        ip saddr { 10.0.0.0/8, 192.0.2.1 } accept
        tcp dport vmap @ports
        ip saddr @hosts counter name hits accept
        jump { tcp dport 1 accept; }
    }
    chain output { type filter hook output priority 5; policy drop; oifname \"lo\" accept; }
    chain nat { type nat hook postrouting priority 100; masquerade; }
}";

/// What may be there in its place.
const STATES: [(&str, &str); 6] = [
    ("nothing", ""),
    ("the same", CHECKPOINT),
    (
        "another policy, and rules by others",
        "table inet fw { chain input { type filter hook input priority 0; policy accept;
         tcp dport 80 accept; }; chain one { }; }",
    ),
    (
        "foreign chains and sets",
        "table inet fw { set theirs { type inet_service; elements = { 1 }; }
         chain theirs { tcp dport @theirs drop; }; chain other { jump theirs; };
         chain input { type filter hook input priority 0; policy drop; jump other; }; }",
    ),
    (
        "base chains of other hooks and priorities",
        "table inet fw { chain input { type filter hook forward priority 0; policy drop; }
         chain one { type filter hook prerouting priority -300; policy accept; }
         chain nat { type nat hook prerouting priority -100; }
         chain mangle { type route hook output priority -150; }; }",
    ),
    (
        "dormant, with a set that is a map now",
        "table inet fw { flags dormant; set ports { type inet_service; }
         chain input { type filter hook input priority 0; policy drop; }; }",
    ),
];

const BYSTANDER: &str = "table ip theirs { chain c { type filter hook input priority 10; \
                         counter packets 5 bytes 50; }; }";

fn fw() -> TableId {
    TableId {
        family: 1,
        name: "fw".to_owned(),
    }
}

#[test]
fn any_state_becomes_the_checkpoint() {
    in_scratch(|| {
        nft(CHECKPOINT);
        let full = Ruleset::capture().unwrap();
        let absent = Ruleset::default();
        for (name, state) in STATES {
            for target in [&full, &absent] {
                nft("flush ruleset");
                nft(BYSTANDER);
                let theirs = listing();
                nft(state);
                force(target, &[fw()]).unwrap_or_else(|error| panic!("{name}: {error}"));
                let now = Ruleset::capture().unwrap();
                let differing = now.differing(target, Compare::Exact);
                let lines = target.describe_difference(&now, &fw());
                assert!(!differing.contains(&fw()), "{name}: {lines:?}");
                assert!(now.tables.iter().all(|one| !is_stand_in(&one.id)), "{name}");
                assert!(listing().contains(theirs.trim()), "{name}: {}", listing());
                assert!(!listing().contains("safe-apply guard"), "{name}");
            }
        }
    });
}

#[test]
fn a_stand_in_that_a_killed_process_left_goes() {
    in_scratch(|| {
        nft(CHECKPOINT);
        let full = Ruleset::capture().unwrap();
        nft(
            "table inet safe-apply-old-fw { chain x { type filter hook input priority 0; policy drop; }; }",
        );
        let now = Ruleset::capture().unwrap();
        force(&full, &union(&full, &now)).unwrap();
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(&full, Compare::Exact).is_empty());
    });
}

#[test]
fn what_is_refused_changes_nothing() {
    in_scratch(|| {
        nft(CHECKPOINT);
        let full = Ruleset::capture().unwrap();
        let mut broken = full.clone();
        for chain in &mut broken.tables[0].chains {
            if chain.name == "one" {
                chain.name = "no longer there".to_owned();
            }
        }
        let before = listing();
        force(&broken, &[fw()]).unwrap_err();
        assert_eq!(listing(), before);
        bring(&full, &full, &[fw()]).unwrap();
    });
}
