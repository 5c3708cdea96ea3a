//! nf_tables: not one packet that both rulesets drop passes during a transition.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;
#[path = "nftables_flood/shapes.rs"]
mod shapes;

use std::fmt::Write;

use nftables_support::flood::{under_flood, wait_for_packet};
use nftables_support::{in_scratch, listing, nft, tool, union};
use safe_apply::nftables::{Compare, Level, Ruleset, bring_at};
use shapes::{POLICY_DROP, pairs};

/// How often a pair of rulesets is switched, half of it forth, half back.
const TRANSITIONS: usize = 50;
/// The same for pairs of long rulesets that are variations of others.
const FEW_TRANSITIONS: usize = 10;

/// What a script comes to.
fn compiled(script: &str) -> Ruleset {
    let mut ruleset = Ruleset::default();
    in_scratch(|| {
        nft(script);
        ruleset = Ruleset::capture().unwrap();
    });
    ruleset
}

fn switch(to: &Ruleset, level: Level) {
    let live = Ruleset::capture().unwrap();
    bring_at(&live, to, &union(&live, to), level).unwrap();
}

fn engine_leaks(name: &str, one: &Ruleset, two: &Ruleset, level: Level, transitions: usize) -> u64 {
    let mut leaked = 0;
    in_scratch(|| {
        tool(&["ip", "link", "set", "lo", "up"], "").unwrap();
        assert_ne!(under_flood(wait_for_packet), 0, "{name}: the flood flows");
        switch(one, Level::Fine);
        leaked = under_flood(|_| {
            for _ in 0..transitions / 2 {
                switch(two, level);
                switch(one, level);
            }
        });
        let now = Ruleset::capture().unwrap();
        assert!(now.differing(one, Compare::Rules).is_empty(), "{name}");
        assert!(!listing().contains("safe-apply guard"), "{name}");
    });
    leaked
}

fn tool_leaks(restore: &[&str], one: &str, two: &str, transitions: usize) -> u64 {
    let mut leaked = 0;
    in_scratch(|| {
        tool(&["ip", "link", "set", "lo", "up"], "").unwrap();
        tool(restore, one).unwrap();
        leaked = under_flood(|_| {
            for _ in 0..transitions / 2 {
                tool(restore, two).unwrap();
                tool(restore, one).unwrap();
            }
        });
    });
    leaked
}

fn saved(rules: usize, network: u8) -> String {
    let mut text = "*filter\n:INPUT DROP [0:0]\n".to_owned();
    for number in 0..rules {
        let (high, low) = (number / 256, number % 256);
        writeln!(text, "-A INPUT -s {network}.0.{high}.{low} -j ACCEPT").unwrap();
    }
    text + "COMMIT\n"
}

fn plain_tools(rules: usize) {
    let transitions = if rules < 1000 || slow() {
        TRANSITIONS
    } else {
        FEW_TRANSITIONS
    };
    let script = |network| {
        format!(
            "flush ruleset\n{}",
            POLICY_DROP.with_network(network).script(rules)
        )
    };
    let nft = tool_leaks(&["nft", "-f", "-"], &script(10), &script(11), transitions);
    println!("{rules} rules: {nft} packets through nft -f in {transitions} transitions");
    let restore = ["iptables-nft-restore"];
    let iptables = tool_leaks(&restore, &saved(rules, 10), &saved(rules, 11), transitions);
    println!("{rules} rules: {iptables} packets through iptables-nft-restore, as many");
}

fn nothing_passes(rules: usize) {
    for (number, (name, one, two, level)) in pairs().into_iter().enumerate() {
        let all = rules < 1000 || number < 2 || (slow() && rules <= 10_000);
        // Both rulesets drop by policy: what the project promises first of all.
        let transitions = match number {
            0 => 2 * TRANSITIONS,
            _ if all => TRANSITIONS,
            _ => FEW_TRANSITIONS,
        };
        let (one, two) = (compiled(&one.script(rules)), compiled(&two.script(rules)));
        let leaked = engine_leaks(name, &one, &two, level, transitions);
        println!("{rules} rules, {name}: {leaked} packets in {transitions} transitions");
        assert_eq!(leaked, 0, "{rules} rules, {name}");
    }
    plain_tools(rules);
}

/// Whether tests may take many minutes.
fn slow() -> bool {
    std::env::var_os("SAFE_APPLY_SLOW").is_some()
}

#[test]
fn nothing_passes_with_ten_rules() {
    nothing_passes(10);
}

#[test]
fn nothing_passes_with_ten_thousand_rules() {
    nothing_passes(10_000);
}

#[test]
fn nothing_passes_with_fifty_thousand_rules() {
    if !slow() {
        println!("SAFE_APPLY_SLOW is not set: 50,000 rules are not tried");
        return;
    }
    nothing_passes(50_000);
}
