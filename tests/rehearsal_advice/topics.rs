//! Packets that have to get through, and the other family: said where it is true and not where it is not.

use safe_apply::candidate::Resolved;

use super::support::{Change, GOOD, GOOD_NFT, filter, inet, nft, told, v4, v6};

#[test]
fn good_rules_get_no_advice() {
    let six = filter("DROP", &format!("{GOOD}\n-A INPUT -p ipv6-icmp -j ACCEPT"));
    let pair = [v4(&filter("DROP", GOOD)), v6(&six)];
    assert_eq!(told(&pair), "");
    assert_eq!(Change::legacy(&[], &pair).told(), "");
    assert_eq!(told(&[nft(&inet(GOOD_NFT))]), "");
    let again = Change::new(&[nft(&inet(GOOD_NFT))], &[nft(&inet(GOOD_NFT))]);
    assert_eq!(again.told(), "");
}

#[test]
fn loopback_that_is_dropped() {
    let without = GOOD.replace("-A INPUT -i lo -j ACCEPT\n", "");
    for change in [
        Change::new(&[], &[v4(&filter("DROP", &without))]),
        Change::legacy(&[], &[v4(&filter("DROP", &without))]),
    ] {
        let told = change.v4_only().told();
        assert!(
            told.starts_with("rules.v4:2: IPv4 over the loopback"),
            "{told}"
        );
        assert!(
            told.contains("`-A INPUT -i lo -j ACCEPT` first in chain INPUT"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let told = told(&[nft(&inet(&GOOD_NFT.replace("iif lo accept\n", "")))]);
    assert!(
        told.starts_with("rules.nft:4: IPv4 over the loopback"),
        "{told}"
    );
    assert!(told.contains("`iifname \"lo\" accept`"), "{told}");
    assert_eq!(told.lines().count(), 1, "once for both families: {told}");
}

#[test]
fn loopback_that_is_let_through_in_other_ways() {
    for lo in [
        "iifname \"lo\" accept",
        "iifname { \"lo\", \"ens3\" } accept",
        "iifname vmap { \"lo\" : accept }",
        "iifname vmap { \"lo\" : jump local }",
        "ip saddr 127.0.0.0/8 accept\nip6 saddr ::1 accept",
        "iif != lo jump world\naccept",
    ] {
        let rules = GOOD_NFT.replace("iif lo accept", lo);
        let script = inet(&rules).replace(
            "chain input",
            "chain local { accept; }\nchain world { ct state established,related accept; \
             meta l4proto ipv6-icmp accept; drop; }\nchain input",
        );
        let told = told(&[nft(&script)]);
        assert!(!told.contains("loopback"), "{lo}: {told}");
    }
}

#[test]
fn a_final_drop_is_named_with_its_line() {
    let rules = GOOD.replace("-A INPUT -i lo -j ACCEPT\n", "");
    let rules = format!("{rules}\n-A INPUT -j LAST\n-A LAST -j LOG\n-A LAST -j DROP");
    let text = filter("ACCEPT", &rules).replace(":OUTPUT", ":LAST - [0:0]\n:OUTPUT");
    let told = Change::new(&[], &[v4(&text)]).v4_only().told();
    assert!(
        told.starts_with("rules.v4:10: IPv4 over the loopback"),
        "{told}"
    );
    assert!(told.contains("`-A LAST -j DROP` in line 10"), "{told}");
}

#[test]
fn the_first_of_two_chains_that_drop_is_named() {
    let script = inet("ct state established accept").replace(
        "chain input",
        "chain later { type filter hook input priority 5; policy drop; }\nchain input",
    );
    let told = told(&[nft(&script)]);
    assert!(
        told.contains("first in chain input") && !told.contains("first in chain later"),
        "{told}"
    );
}

#[test]
fn answers_that_are_dropped() {
    let without = "-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT";
    let told_v4 = Change::new(&[], &[v4(&filter("DROP", without))])
        .v4_only()
        .told();
    assert!(
        told_v4.starts_with("rules.v4:2: answers to connections"),
        "{told_v4}"
    );
    assert!(
        told_v4.contains("-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"),
        "{told_v4}"
    );
    let rules = GOOD_NFT
        .lines()
        .filter(|line| !line.starts_with("ct state"));
    let told_nft = told(&[nft(&inet(&rules.collect::<Vec<_>>().join("\n")))]);
    assert!(
        told_nft.contains("`ct state established,related accept`"),
        "{told_nft}"
    );
    assert_eq!(told_nft.lines().count(), 1, "{told_nft}");
}

#[test]
fn answers_that_are_let_through_in_other_ways() {
    for rule in [
        "-A INPUT -m state --state ESTABLISHED -j ACCEPT",
        "-A INPUT -m conntrack ! --ctstate NEW,INVALID -j ACCEPT",
        "-A INPUT -p tcp ! --syn -j ACCEPT",
        "-A INPUT -p tcp --sport 443 -j ACCEPT",
    ] {
        let rules =
            format!("-A INPUT -i lo -j ACCEPT\n{rule}\n-A INPUT -p tcp --dport 22 -j ACCEPT");
        for change in [
            Change::new(&[], &[v4(&filter("DROP", &rules))]),
            Change::legacy(&[], &[v4(&filter("DROP", &rules))]),
        ] {
            assert_eq!(change.v4_only().told(), "", "{rule}");
        }
    }
    for rule in [
        "ct state { established, related } accept",
        "ct state != { new, invalid } accept",
    ] {
        let rules = GOOD_NFT
            .lines()
            .map(|line| if line.starts_with("ct ") { rule } else { line });
        let told = told(&[nft(&inet(&rules.collect::<Vec<_>>().join("\n")))]);
        assert_eq!(told, "", "{rule}");
    }
}

#[test]
fn output_that_cuts_sessions() {
    let rules = format!("{GOOD}\n-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -p udp --dport 53 -j ACCEPT");
    let text = filter("DROP", &rules).replace(":OUTPUT ACCEPT", ":OUTPUT DROP");
    let told = Change::new(&[], &[v4(&text)]).v4_only().told();
    assert!(
        told.starts_with("rules.v4:4: what this host sends over open connections"),
        "{told}"
    );
    let text = text.replace("COMMIT", "-A OUTPUT -p tcp --sport 22 -j ACCEPT\nCOMMIT");
    assert_eq!(
        Change::new(&[], &[v4(&text)]).v4_only().told(),
        "",
        "without states, and meant"
    );
}

#[test]
fn neighbour_discovery_that_is_dropped() {
    let six = filter("DROP", GOOD);
    let change = Change::new(&[], &[v4(&filter("DROP", GOOD)), v6(&six)]);
    let told = change.told();
    assert!(
        told.starts_with("rules.v6:2: IPv6 neighbour discovery is dropped"),
        "{told}"
    );
    assert!(told.contains("-p ipv6-icmp -j ACCEPT"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(
        change.v4_only().told(),
        "",
        "without IPv6 there is nothing to discover"
    );
    let types = "-A INPUT -p ipv6-icmp --icmpv6-type 135 -j ACCEPT
-A INPUT -p ipv6-icmp --icmpv6-type 136 -j ACCEPT";
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let six = v6(&filter("DROP", &format!("{GOOD}\n{types}")));
        let pair = [v4(&filter("DROP", GOOD)), six];
        let told = Change::try_new(&[], &pair, backend, false).unwrap().told();
        assert!(
            told.starts_with("rules.v6:2: IPv6 router advertisements"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn neighbour_discovery_is_not_missed_where_nothing_gets_in() {
    let closed = v6(&filter("DROP", "-A INPUT -i lo -j ACCEPT"));
    let told = told(&[v4(&filter("DROP", GOOD)), closed]);
    assert!(!told.contains("discovery"), "{told}");
}

#[test]
fn one_family_is_open() {
    let told_v4 = told(&[v4(&filter("DROP", GOOD))]);
    assert!(
        told_v4.starts_with(
            "rules.v4:2: IPv6 is open while IPv4 is closed (`-P INPUT DROP` in line 2"
        ),
        "{told_v4}"
    );
    assert!(
        told_v4.contains("2001:db8::1") && told_v4.contains("v6:FILE"),
        "{told_v4}"
    );
    let six = filter("DROP", &format!("{GOOD}\n-A INPUT -p ipv6-icmp -j ACCEPT"));
    let told_v6 = told(&[v6(&six)]);
    assert!(
        told_v6.contains("IPv4 is open while IPv6 is closed"),
        "{told_v6}"
    );
    let table = inet(GOOD_NFT).replace("table inet", "table ip").replace(
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n",
        "",
    );
    let told_nft = told(&[nft(&table)]);
    assert!(
        told_nft.contains("use a table of family inet"),
        "{told_nft}"
    );
    let both = Change::new(&[v6(&six)], &[v4(&filter("DROP", GOOD))]);
    assert_eq!(both.told(), "", "IPv6 is closed by rules that stay");
}
