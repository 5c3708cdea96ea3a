//! Elements that come and go by themselves are no differences; those that do not, are.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod nftables_support;

use std::time::Duration;

use nftables_support::{in_scratch, nft};
use safe_apply::nftables::{Compare, Ruleset};

const TABLE: &str = "table inet t {
    set filled { type ipv4_addr; flags dynamic,timeout; timeout 1h; size 4; elements = { 192.0.2.1, 192.0.2.2 }; }
    set named { type ipv4_addr; flags timeout; timeout 1h; size 100; elements = { 192.0.2.1 }; }
    set timed { type ipv4_addr; flags timeout; elements = { 192.0.2.1 timeout 30s, 192.0.2.2 timeout 1h, 192.0.2.3 }; }
    set nets { type ipv4_addr; flags interval,timeout; elements = { 10.1.0.0/16 timeout 30s, 10.2.0.0/16 timeout 1h, 10.4.0.0/16 }; }
    set plain { type ipv4_addr; elements = { 192.0.2.1 }; }
    chain c { update @filled { ip saddr }; add @named { ip saddr }; }
}";

/// Whether the table differs after `change`, so much later.
fn differs(change: &str, how: Compare, elapsed: u64) -> bool {
    let mut differs = false;
    in_scratch(|| {
        nft(TABLE);
        let before = Ruleset::capture().unwrap();
        nft(change);
        let after = Ruleset::capture().unwrap();
        let elapsed = Duration::from_secs(elapsed);
        differs = !before.differing_after(&after, how, elapsed).is_empty();
    });
    differs
}

#[test]
fn what_packets_add_counts_only_where_no_packets_have_passed() {
    for set in ["filled", "named"] {
        let come = format!("add element inet t {set} {{ 192.0.2.9 }}");
        assert!(!differs(&come, Compare::Live, 0), "{set}");
        assert!(differs(&come, Compare::Rules, 0), "{set}");
        assert!(differs(&come, Compare::Exact, 0), "{set}");
        let gone = format!("delete element inet t {set} {{ 192.0.2.1 }}");
        assert!(!differs(&gone, Compare::Live, 0), "{set}");
        assert!(differs(&gone, Compare::Rules, 0), "{set}");
    }
    for set in ["timed", "plain"] {
        let come = format!("add element inet t {set} {{ 192.0.2.9 }}");
        assert!(differs(&come, Compare::Live, 3600), "{set}");
    }
}

#[test]
fn what_had_no_time_left_may_be_gone() {
    for (set, short, long, unlimited) in [
        ("timed", "192.0.2.1", "192.0.2.2", "192.0.2.3"),
        ("nets", "10.1.0.0/16", "10.2.0.0/16", "10.4.0.0/16"),
    ] {
        let delete = |element: &str| format!("delete element inet t {set} {{ {element} }}");
        for how in [Compare::Live, Compare::Rules, Compare::Exact] {
            assert!(!differs(&delete(short), how, 31), "{set} {how:?}");
            assert!(differs(&delete(short), how, 10), "{set} {how:?}");
            assert!(differs(&delete(long), how, 31), "{set} {how:?}");
            assert!(differs(&delete(unlimited), how, 7200), "{set} {how:?}");
        }
    }
}

#[test]
fn rules_count_whatever_the_sets_do() {
    for change in [
        "add rule inet t c drop",
        "flush chain inet t c",
        "add chain inet t d",
        "delete element inet t plain { 192.0.2.1 }",
    ] {
        assert!(differs(change, Compare::Live, 7200), "{change}");
    }
}

#[test]
fn a_full_set_is_cut_to_what_the_kernel_takes_back() {
    in_scratch(|| {
        nft(TABLE);
        let mut wide = Ruleset::capture().unwrap();
        nft("add element inet t filled { 192.0.2.3, 192.0.2.4 }");
        let full = Ruleset::capture().unwrap();
        let of = |ruleset: &Ruleset| {
            let sets = &ruleset.tables[0].sets;
            let filled = sets.iter().find(|set| set.name == "filled").unwrap();
            filled.elements.clone()
        };
        let both = [of(&full), of(&wide)].concat();
        let sets = &mut wide.tables[0].sets;
        let filled = sets.iter_mut().find(|set| set.name == "filled").unwrap();
        filled.elements = both;
        assert_eq!(filled.elements().count(), 6);
        wide.settle_moving_sets();
        assert_eq!(of(&wide), of(&full));
        let mut same = full.clone();
        same.settle_moving_sets();
        assert_eq!(same, full);
    });
}

#[test]
fn an_interval_that_is_half_gone_is_gone() {
    in_scratch(|| {
        nft(TABLE);
        let whole = Ruleset::capture().unwrap();
        let mut settled = whole.clone();
        settled.settle_moving_sets();
        assert_eq!(settled, whole);
        nft("delete element inet t nets { 10.1.0.0/16 }");
        let without = Ruleset::capture().unwrap();
        // The end of 10.1.0.0/16 is still there: as the kernel dumps it when the time is up.
        let mut half = whole.clone();
        let nets = |ruleset: &mut Ruleset| {
            let sets = &ruleset.tables[0].sets;
            sets.iter().position(|set| set.name == "nets").unwrap()
        };
        let at = nets(&mut half);
        let elements: Vec<Vec<u8>> = half.tables[0].sets[at]
            .elements()
            .map(<[u8]>::to_vec)
            .collect();
        let start = elements
            .iter()
            .position(|one| one.windows(4).any(|window| window == [10, 1, 0, 0]));
        let start = start.unwrap();
        let span = |one: &Vec<u8>| (4 + one.len()).next_multiple_of(4);
        let before: usize = elements[..start].iter().map(span).sum();
        let bytes = &mut half.tables[0].sets[at].elements;
        bytes.drain(before..before + span(&elements[start]));
        half.settle_moving_sets();
        let differing = without.differing(&half, Compare::Rules);
        assert!(differing.is_empty(), "{differing:?}");
    });
}
