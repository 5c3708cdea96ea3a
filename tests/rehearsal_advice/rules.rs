//! Rules that no packet comes to: said where it is true and not where it is not.

use super::support::{Change, GOOD, GOOD_NFT, filter, inet, nft, told, v4};

#[test]
fn rules_that_can_never_match() {
    let rules = "-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -j DROP
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -p tcp --dport 443 -m limit --limit 5/sec -j ACCEPT";
    for change in [
        Change::new(&[], &[v4(&filter("ACCEPT", rules))]),
        Change::legacy(&[], &[v4(&filter("ACCEPT", rules))]),
    ] {
        let told = change.v4_only().told();
        assert!(
            told.starts_with("rules.v4:8: this and 1 more rule behind it can never match"),
            "{told}"
        );
        assert!(
            told.contains("`-A INPUT -j DROP` in line 7 of rules.v4"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let rules =
        format!("{GOOD_NFT}\ntcp dport 8080 drop\nip saddr 192.0.2.0/24 tcp dport 8080 accept");
    let told = told(&[nft(&inet(&rules))]);
    assert!(
        told.starts_with("rules.nft:10: this rule can never match"),
        "{told}"
    );
    assert!(told.contains("`tcp dport 8080 drop` in line 9"), "{told}");
}

#[test]
fn rules_behind_a_chain_that_keeps_all() {
    let text = filter(
        "ACCEPT",
        &format!("{GOOD}\n-A INPUT -j REST\n-A INPUT -p tcp --dport 80 -j ACCEPT\n-A REST -p icmp -j ACCEPT\n-A REST -j DROP"),
    )
    .replace(":OUTPUT", ":REST - [0:0]\n:OUTPUT");
    let told = Change::new(&[], &[v4(&text)]).v4_only().told();
    assert!(
        told.starts_with("rules.v4:10: this rule can never match: `-A INPUT -j REST`"),
        "{told}"
    );
    let returns = text.replace("-A REST -p icmp -j ACCEPT", "-A REST -p icmp -j RETURN");
    assert_eq!(Change::new(&[], &[v4(&returns)]).v4_only().told(), "");
}

#[test]
fn rules_that_only_look_idle() {
    for (earlier, later) in [
        ("-m limit --limit 5/min -j ACCEPT", "-j DROP"),
        (
            "-m statistic --mode random --probability 0.5 -j DROP",
            "-p tcp --dport 80 -j ACCEPT",
        ),
        (
            "-m recent --name x --rcheck -j DROP",
            "-p tcp --dport 80 -j ACCEPT",
        ),
        ("-j LOG", "-p tcp --dport 80 -j ACCEPT"),
        ("-j MARK --set-mark 1", "-p tcp --dport 80 -j ACCEPT"),
        (
            "-m mark --mark 1 -j DROP",
            "-m mark --mark 1 -p tcp -j ACCEPT",
        ),
        (
            "! -i lo -p tcp --dport 80 -j DROP",
            "-p tcp --dport 80 -j ACCEPT",
        ),
        ("-p tcp --dport 80 -j DROP", "-p udp --dport 80 -j ACCEPT"),
        ("-p tcp --dport 80 -j DROP", "-p tcp ! --dport 80 -j ACCEPT"),
        ("-s 192.0.2.0/24 -j DROP", "-s 192.0.2.0/23 -j ACCEPT"),
        (
            "-p tcp -m multiport --dports 80,81 -j DROP",
            "-p tcp --dport 82 -j ACCEPT",
        ),
    ] {
        let rules = format!("{GOOD}\n-A INPUT {earlier}\n-A INPUT {later}");
        for change in [
            Change::new(&[], &[v4(&filter("DROP", &rules))]),
            Change::legacy(&[], &[v4(&filter("DROP", &rules))]),
        ] {
            assert_eq!(change.v4_only().told(), "", "{earlier} / {later}");
        }
    }
    for (earlier, later) in [
        ("limit rate 5/minute accept", "drop"),
        ("tcp dport 80 ct count over 5 drop", "tcp dport 80 accept"),
        ("tcp dport vmap { 80 : jump x }", "tcp dport 80 accept"),
        ("tcp dport @ports drop", "tcp dport 80 accept"),
        ("ip saddr @seen drop", "ip saddr @seen tcp dport 80 accept"),
        ("tcp dport { 80, 81 } drop", "tcp dport { 80, 82 } accept"),
        ("meta mark 1 drop", "meta mark 1 tcp dport 80 accept"),
        ("iifname != \"lo\" tcp dport 80 drop", "tcp dport 80 accept"),
        ("numgen random mod 2 0 drop", "tcp dport 80 accept"),
        ("log", "tcp dport 80 accept"),
        ("counter", "counter"),
    ] {
        let script = inet(&format!("{GOOD_NFT}\n{earlier}\n{later}")).replace(
            "chain input",
            "set ports { type inet_service; elements = { 80 }; }
             set seen { type ipv4_addr; flags dynamic; }
             chain x { }\nchain input",
        );
        assert_eq!(told(&[nft(&script)]), "", "{earlier} / {later}");
    }
}

#[test]
fn the_same_rule_twice_is_untidy_and_comes_last() {
    let rules = format!("{GOOD}\n-A INPUT -i eth0 -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT");
    let told = Change::new(&[], &[v4(&filter("DROP", &rules))])
        .v4_only()
        .told();
    let last = told.lines().last().unwrap();
    assert!(
        last.starts_with("rules.v4:9: the same rule stands before it"),
        "{told}"
    );
    assert!(last.contains("in line 7 of rules.v4"), "{told}");
}
