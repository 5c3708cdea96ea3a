//! Each topic, said where it is true and not where it is not.

use safe_apply::candidate::{Candidate, Resolved};

use super::support::{Change, nft, v4, v6};

/// A filter table with this INPUT policy and these rules; OUTPUT accepts.
fn filter(policy: &str, rules: &str) -> String {
    format!(
        "*filter\n:INPUT {policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n"
    )
}

const GOOD: &str = "-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT";

/// An nft script for both families that begins with a flush.
fn inet(rules: &str) -> String {
    format!(
        "flush ruleset\ntable inet f {{\nchain input {{\ntype filter hook input priority 0; policy drop;\n{rules}\n}}\n}}\n"
    )
}

const GOOD_NFT: &str = "iif lo accept
ct state vmap { established : accept, related : accept, invalid : drop }
icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
tcp dport { 22, 443 } accept";

fn told(candidates: &[Candidate]) -> String {
    Change::new(&[], candidates).told()
}

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

#[test]
fn interfaces_that_are_not_there() {
    let rules = format!(
        "{GOOD}\n-A INPUT -i eth0 -p udp -j ACCEPT\n-A INPUT -i ens+ -p udp -j ACCEPT
-A INPUT ! -i eth0 -p sctp -j DROP\n-A INPUT -i docker0 -j ACCEPT\n-A INPUT -i wg+ -j ACCEPT"
    );
    for change in [
        Change::new(&[], &[v4(&filter("DROP", &rules))]),
        Change::legacy(&[], &[v4(&filter("DROP", &rules))]),
    ] {
        let told = change.v4_only().told();
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(
            told.starts_with("rules.v4:8: there is no interface `eth0`"),
            "{told}"
        );
        assert!(
            told.contains("(and 1 more rule)") && told.contains("`ens3`"),
            "{told}"
        );
        assert!(told.contains("nothing, and with `!` everything"), "{told}");
    }
    let names =
        "iifname { \"ens3\", \"enp1s0\" } udp dport 1 accept\niifname \"eth*\" udp dport 2 accept";
    let told = told(&[nft(&inet(&format!("{GOOD_NFT}\n{names}")))]);
    assert!(
        told.contains("rules.nft:9: there is no interface `enp1s0`"),
        "{told}"
    );
    assert!(
        told.contains("rules.nft:10: there is no interface `eth*`"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn scripts_that_add_to_what_is_there() {
    let live = nft(&inet(GOOD_NFT));
    let adding = inet(GOOD_NFT).replace("flush ruleset\n", "");
    let told = Change::new(&[live.clone()], &[nft(&adding)]).told();
    assert!(
        told.starts_with("rules.nft:4: its rules come behind those that are there"),
        "{told}"
    );
    assert!(
        told.contains("chain input in table inet f has 4 now and will have 8"),
        "{told}"
    );
    assert!(told.contains("`flush table inet f`"), "{told}");
    assert_eq!(
        told.lines().count(),
        1,
        "its doubles are not told one by one: {told}"
    );
    let meant = Change::try_new(&[live], &[nft(&adding)], Resolved::Nft, true).unwrap();
    assert!(!meant.told().contains("come behind"), "{}", meant.told());
    assert_eq!(told_of_first_load(&adding), "");
}

fn told_of_first_load(script: &str) -> String {
    told(&[nft(script)])
}

#[test]
fn rules_of_other_programs_that_go() {
    let docker = nft(
        "table ip nat { chain DOCKER { ip daddr 192.0.2.1 accept; }; chain PREROUTING { type nat hook prerouting priority -100; jump DOCKER; }; }
         table ip filter { chain f2b-sshd { ip saddr 192.0.2.9 drop; }; }",
    );
    let told = Change::new(&[docker.clone()], &[nft(&inet(GOOD_NFT))]).told();
    let first = told.lines().next().unwrap();
    assert!(
        first.starts_with("rules.nft:1: `flush ruleset`: the new rules take away"),
        "{told}"
    );
    assert!(first.contains("systemctl restart docker"), "{told}");
    assert!(told.contains("fail2ban"), "{told}");
    let told = Change::new(&[docker.clone()], &[v4(&filter("DROP", GOOD))])
        .v4_only()
        .told();
    assert!(
        told.starts_with("rules.v4:1: `*filter`: the new rules take away"),
        "{told}"
    );
    assert!(
        told.contains("f2b-sshd") && !told.contains("DOCKER"),
        "{told}"
    );
    let beside = inet(GOOD_NFT).replace("flush ruleset", "add table inet f\ndelete table inet f");
    assert_eq!(Change::new(&[docker], &[nft(&beside)]).told(), "");
}

#[test]
fn two_firewalls_at_once() {
    let change = Change::legacy(&[nft(&inet(GOOD_NFT))], &[v4(&filter("DROP", GOOD))]);
    let told = change.told();
    assert!(
        told.contains("-:0: two firewalls are live at once: iptables-legacy table filter"),
        "{told}"
    );
    assert!(told.contains("table inet f"), "{told}");
    let pristine = Change::legacy(&[nft(&inet(GOOD_NFT))], &[v4(&filter("ACCEPT", ""))]);
    assert!(
        !pristine.told().contains("two firewalls"),
        "{}",
        pristine.told()
    );
}

#[test]
fn ports_that_are_let_through_where_all_is() {
    let told_v4 = Change::new(&[], &[v4(&filter("ACCEPT", GOOD))])
        .v4_only()
        .told();
    assert!(
        told_v4.starts_with("rules.v4:7: it lets a port through, but nothing drops"),
        "{told_v4}"
    );
    assert!(told_v4.contains("`:INPUT DROP`"), "{told_v4}");
    let blocklist = format!("{GOOD}\n-A INPUT -p tcp --dport 23 -j DROP");
    let change = Change::new(&[], &[v4(&filter("ACCEPT", &blocklist))]);
    assert_eq!(
        change.v4_only().told(),
        "",
        "a list of what is closed is a choice"
    );
    let open = told(&[nft(&inet(GOOD_NFT)
        .replace("policy drop", "policy accept")
        .replace(", invalid : drop", ""))]);
    assert!(
        open.contains("rules.nft:8: it lets a port through"),
        "{open}"
    );
}

#[test]
fn a_port_open_to_others() {
    let rules = GOOD.replace("-p tcp --dport 22", "-s 203.0.113.0/24 -p tcp --dport 22");
    let told = |peer: &str| {
        let change = Change::new(&[], &[v4(&filter("DROP", &rules))]).v4_only();
        change.session(peer, "192.0.2.1").told()
    };
    let stranger = told("198.51.100.9");
    assert!(
        stranger.starts_with(
            "rules.v4:7: it lets some addresses in to port 22, and yours, 198.51.100.9"
        ),
        "{stranger}"
    );
    assert_eq!(told("203.0.113.9"), "");
}

#[test]
fn live_rules_get_advice_without_lines() {
    let mut change = Change::new(
        &[],
        &[v4(&filter("DROP", "-A INPUT -p tcp --dport 22 -j ACCEPT"))],
    );
    change.candidates.clear();
    change.sources = safe_apply::rehearsal::source::Sources::default();
    change.before = change.after.clone();
    let told = change.v4_only().told();
    assert!(told.contains("-:0: IPv4 over the loopback interface is dropped (the policy of chain INPUT in table ip filter)"), "{told}");
    assert!(told.contains("`-A INPUT -i lo -j ACCEPT`"), "{told}");
}

#[test]
fn at_most_twenty_pieces() {
    let rules: String = (0..40)
        .map(|at| format!("\n-A INPUT -i nic{at} -j ACCEPT"))
        .collect();
    let change = Change::new(&[], &[v4(&filter("DROP", &rules))]).v4_only();
    assert_eq!(change.advice().len(), 20);
    assert!(
        change
            .told()
            .starts_with("rules.v4:2: IPv4 over the loopback"),
        "the worst comes first"
    );
}
