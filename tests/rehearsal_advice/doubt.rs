//! Of which rows "open" cannot be trusted.

use std::collections::BTreeSet;

use safe_apply::candidate::Resolved;
use safe_apply::rehearsal::probe::Side;

use super::doubt_support::{HERE, THERE, both, flow, inet, inward, outward, table};
use super::support::{Change, nft, v4, v6};

#[test]
fn lists_with_the_address_in_them_decide() {
    for mut change in both("-A INPUT -m recent --name knocks --rcheck -j DROP") {
        let found = BTreeSet::from([THERE.parse().unwrap()]);
        change.live.lists.insert("knocks".to_owned(), found);
        let limits = change.limits();
        assert!(limits.list[0].is_decisive);
        assert!(inward(&limits, 22));
        let other = flow("198.51.100.3:50000", &format!("{HERE}:22"));
        assert_eq!(limits.doubt(Side::World, &other), None);
    }
}

#[test]
fn only_rows_that_can_meet_the_rule_are_doubtful() {
    let lines = "-A INPUT -p tcp --syn --dport 80 -m connlimit --connlimit-above 20 -j REJECT";
    for change in both(lines) {
        let limits = change.limits();
        assert!(inward(&limits, 80));
        assert!(!inward(&limits, 22) && !inward(&limits, 443));
        assert!(
            !outward(&limits, 80),
            "answers from port 80 have another destination"
        );
    }
    let limits = Change::new(
        &[],
        &[nft(&inet(
            "tcp dport { 80, 8000-8010 } ct count over 5 drop",
        ))],
    )
    .limits();
    assert!(inward(&limits, 80) && inward(&limits, 8005));
    assert!(!inward(&limits, 22) && !inward(&limits, 8011));
}

#[test]
fn the_way_to_a_rule_counts() {
    let chance = "-A X -m statistic --mode random --probability 0.5 -j DROP";
    for change in both(&format!("-A INPUT -p tcp --dport 80 -j X\n{chance}")) {
        let limits = change.limits();
        assert!(inward(&limits, 80) && !inward(&limits, 22));
    }
    for change in both(&format!("-A FORWARD -j X\n{chance}")) {
        let limits = change.limits();
        assert!(!inward(&limits, 80) && !outward(&limits, 80));
    }
    for change in both(&format!("-A OUTPUT -g X\n{chance}")) {
        let limits = change.limits();
        assert!(inward(&limits, 80), "its answers go that way");
        assert!(outward(&limits, 80));
    }
    let vmap = inet("tcp dport vmap { 80 : jump x, 81 : accept }")
        .replace("chain x {", "chain x {\nnumgen random mod 2 0 drop");
    let limits = Change::new(&[], &[nft(&vmap)]).limits();
    assert!(inward(&limits, 80) && !inward(&limits, 81) && !inward(&limits, 22));
}

#[test]
fn rules_that_change_nothing_are_no_limit() {
    for lines in [
        "-A INPUT -m limit --limit 5/min -j LOG",
        "-A INPUT -m statistic --mode random --probability 0.5 -j LOG",
        "-A INPUT -m statistic --mode random --probability 0.5 -j MARK --set-mark 1",
        "-A INPUT -m ttl --ttl-lt 5",
    ] {
        for change in both(lines) {
            assert_eq!(change.limits().list, [], "{lines}");
        }
    }
    let marks = "-A INPUT -m statistic --mode random --probability 0.5 -j MARK --set-mark 1
-A INPUT -m mark --mark 1 -j DROP";
    for change in both(marks) {
        assert!(inward(&change.limits(), 22), "a mark that is dropped later");
    }
    let limits = Change::new(&[], &[nft(&inet("limit rate 5/minute log"))]).limits();
    assert_eq!(limits.list, []);
}

#[test]
fn owners_matter_to_what_this_host_begins() {
    for change in both("-A OUTPUT -m owner ! --uid-owner 0 -j DROP") {
        let limits = change.limits();
        assert!(
            limits.list[0].message.contains("whose socket"),
            "{:?}",
            limits.list
        );
        assert!(outward(&limits, 443));
        assert!(!inward(&limits, 22), "a server answers with its own socket");
    }
    let script =
        "table inet f { chain o { type filter hook output priority 0; meta skuid != 0 drop; }; }";
    let limits = Change::new(&[], &[nft(script)]).limits();
    assert!(outward(&limits, 443) && !inward(&limits, 22));
}

#[test]
fn translated_ports_are_followed() {
    let nat = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        -A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n";
    let rules = table("-A INPUT -p tcp --dport 22 -m connlimit --connlimit-above 5 -j DROP");
    let limits = Change::new(&[], &[v4(&format!("{rules}{nat}"))]).limits();
    assert!(inward(&limits, 22) && inward(&limits, 2222));
    assert!(!inward(&limits, 443));
}

#[test]
fn services_behind_translation_and_forwarded_traffic_are_told() {
    let nat = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2\nCOMMIT\n";
    let rules = table("-A FORWARD -p tcp -j ACCEPT");
    for change in [
        Change::new(&[], &[v4(&format!("{rules}{nat}"))]),
        Change::legacy(&[], &[v4(&format!("{rules}{nat}"))]),
    ] {
        let list = change.limits().list;
        assert_eq!(list.len(), 2, "{list:?}");
        assert!(
            list[0].message.contains("1 rule at the forward hook"),
            "{list:?}"
        );
        assert!(list[1].message.contains("DNAT"), "{list:?}");
        assert_eq!(list[1].line, Some(14), "{list:?}");
        assert!(list.iter().all(|one| !one.is_decisive));
    }
    let script = "table inet n { chain p { type nat hook prerouting priority -100; tcp dport 80 dnat ip to 10.0.0.2; }; }";
    let list = Change::new(&[], &[nft(script)]).limits().list;
    assert!(list[0].message.contains("DNAT"), "{list:?}");
}

#[test]
fn bridge_ports_are_not_rehearsed() {
    let script =
        "table bridge b { chain f { type filter hook input priority 0; ether type ip drop; }; }";
    let mut change = Change::new(&[], &[nft(script)]);
    assert!(
        !inward(&change.limits(), 22),
        "without a bridge nothing passes one"
    );
    change.host.links.get_mut(&2).unwrap().kind = Some("bridge".to_owned());
    let limits = change.limits();
    assert!(inward(&limits, 22));
    assert!(
        limits.list[0].message.contains("ports of bridges"),
        "{:?}",
        limits.list
    );
}

#[test]
fn neighbour_discovery_by_chance_makes_all_of_its_family_doubtful() {
    let six = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A INPUT -p ipv6-icmp -m statistic --mode random --probability 0.5 -j DROP\nCOMMIT\n";
    for change in [
        Change::new(&[], &[v6(six)]),
        Change::legacy(&[], &[v6(six)]),
    ] {
        let limits = change.limits();
        let over_v6 = flow("[2001:db8:9::9]:50000", "[2001:db8::1]:22");
        assert!(limits.doubt(Side::World, &over_v6).is_some());
        assert!(!inward(&limits, 22));
        let own = flow("[::1]:50000", "[::1]:22");
        assert_eq!(limits.doubt(Side::Host, &own), None);
    }
    let script = "table arp a { chain i { type filter hook input priority 0; numgen random mod 2 0 drop; }; }";
    assert!(
        inward(&Change::new(&[], &[nft(script)]).limits(), 22),
        "so does ARP"
    );
}

#[test]
fn this_host_talking_to_itself_passes_everything() {
    for change in both("-A INPUT -i lo -m statistic --mode random --probability 0.5 -j DROP") {
        let limits = change.limits();
        let own = flow("127.0.0.1:50000", "127.0.0.1:25");
        assert!(limits.doubt(Side::Host, &own).is_some());
    }
    for lines in [
        "-A INPUT -p tcp --dport 25 -m statistic --mode random --probability 0.5 -j DROP",
        "-A OUTPUT -p tcp --dport 25 -m statistic --mode random --probability 0.5 -j DROP",
        "-A INPUT -p tcp --sport 25 -m statistic --mode random --probability 0.5 -j DROP",
        "-A OUTPUT -p tcp --sport 25 -m statistic --mode random --probability 0.5 -j DROP",
    ] {
        for change in both(lines) {
            let own = flow("127.0.0.1:50000", "127.0.0.1:25");
            assert!(change.limits().doubt(Side::Host, &own).is_some(), "{lines}");
        }
    }
    for change in both("-A INPUT -i ens3 -m statistic --mode random --probability 0.5 -j DROP") {
        let limits = change.limits();
        let own = flow("127.0.0.1:50000", "127.0.0.1:25");
        assert_eq!(limits.doubt(Side::Host, &own), None);
        assert!(inward(&limits, 25));
    }
}

#[test]
fn rules_that_stay_are_told_without_a_line() {
    let live = nft(
        "table inet other { chain i { type filter hook input priority 5; ct count over 5 drop; }; }",
    );
    let limits = Change::new(&[live], &[v4(&table(""))]).limits();
    let first = &limits.list[0];
    assert!(
        first
            .message
            .starts_with("rule 1 of chain i in table inet other:"),
        "{first:?}"
    );
    assert_eq!((first.line, first.is_decisive), (None, true));
    assert!(inward(&limits, 22));
}

#[test]
fn nat_sees_the_first_packet_alone() {
    let script = "table ip n { chain p { type nat hook postrouting priority 100; tcp sport 22 numgen random mod 2 0 drop; }; }";
    assert!(
        !inward(&Change::new(&[], &[nft(script)]).limits(), 22),
        "an answer"
    );
    let script = script.replace("tcp sport 22", "tcp dport 443");
    assert!(outward(&Change::new(&[], &[nft(&script)]).limits(), 443));
}

#[test]
fn a_line_that_is_not_sure_is_not_told() {
    let live = v4(&table(
        "-A INPUT -p tcp --dport 1 -m connlimit --connlimit-above 5 -j DROP",
    ));
    let text =
        "*filter\n-A INPUT -s localhost -j DROP\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n";
    let change = Change::try_new(&[live], &[v4(text)], Resolved::Nft, true).unwrap();
    let first = &change.limits().list[0];
    assert_eq!(first.line, None, "it is the live rule: {first:?}");
}

#[test]
fn rules_of_one_sort_are_told_together() {
    let lines: String = (80..90)
        .map(|port| {
            format!("-A INPUT -p tcp --dport {port} -m connlimit --connlimit-above 5 -j DROP\n")
        })
        .collect();
    for change in both(&lines) {
        let limits = change.limits();
        assert_eq!(limits.list.len(), 1, "{:?}", limits.list);
        assert!(limits.list[0].message.contains("(and 9 more like it)"));
        assert!(inward(&limits, 80) && inward(&limits, 89) && !inward(&limits, 90));
    }
}

#[test]
fn hardware_addresses_matter_where_they_are_not_the_hosts() {
    let lines = "-A INPUT -p tcp --dport 80 -m mac --mac-source 02:00:00:00:00:01 -j DROP";
    for change in both(lines) {
        let limits = change.limits();
        let to = |port| flow(&format!("{THERE}:50000"), &format!("{HERE}:{port}"));
        assert!(limits.hardware(Side::World, &to(80)).is_some());
        assert_eq!(limits.hardware(Side::World, &to(22)), None);
        assert_eq!(limits.doubt(Side::World, &to(80)), None);
    }
}

#[test]
fn answers_to_another_name_may_be_met_anywhere() {
    let nat = |rule: &str| {
        format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n{rule}COMMIT\n"
        )
    };
    let raw = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -d 192.0.2.77/32 -m statistic --mode random --probability 0.5 -j DROP\nCOMMIT\n";
    let with =
        |rule: &str| Change::new(&[], &[v4(&format!("{}{}{raw}", table(""), nat(rule)))]).limits();
    assert!(!outward(&with(""), 443));
    let hidden = with("-A POSTROUTING -p tcp -j SNAT --to-source 192.0.2.77\n");
    assert!(outward(&hidden, 443), "answers come to 192.0.2.77");
}
