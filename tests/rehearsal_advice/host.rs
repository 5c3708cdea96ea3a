//! Rules that do not fit the host, or what is live: said where it is true and not where it is not.

use safe_apply::candidate::Resolved;

use super::support::{Change, GOOD, GOOD_NFT, filter, inet, nft, told, v4};

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
    let told = Change::new(std::slice::from_ref(&live), &[nft(&adding)]).told();
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
    let told = Change::new(std::slice::from_ref(&docker), &[nft(&inet(GOOD_NFT))]).told();
    let first = told.lines().next().unwrap();
    assert!(
        first.starts_with("rules.nft:1: `flush ruleset`: the new rules take away"),
        "{told}"
    );
    assert!(first.contains("systemctl restart docker"), "{told}");
    assert!(told.contains("fail2ban"), "{told}");
    let told = Change::new(std::slice::from_ref(&docker), &[v4(&filter("DROP", GOOD))])
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
fn rules_of_other_programs_get_no_advice() {
    let firewalld = "table inet firewalld { chain filter_INPUT { type filter hook input priority 10; policy drop; }; }";
    let mut change = Change::new(&[], &[nft(firewalld)]);
    change.candidates.clear();
    change.sources = safe_apply::rehearsal::source::Sources::default();
    assert_eq!(change.told(), "");
    let renamed = firewalld.replace("firewalld", "mine");
    let mut change = Change::new(&[], &[nft(&renamed)]);
    change.candidates.clear();
    change.sources = safe_apply::rehearsal::source::Sources::default();
    assert!(change.told().contains("loopback"), "{}", change.told());
    let closed = inet(GOOD_NFT).replace("table inet", "table ip").replace(
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n",
        "",
    );
    let beside = nft(
        "table ip nat { chain p { type nat hook prerouting priority -100; tcp dport 1 accept; }; }",
    );
    let told = Change::new(&[nft(&closed)], &[beside]).told();
    assert_eq!(told, "", "what is live already, and not the candidate's");
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
