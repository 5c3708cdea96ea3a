//! What is not rehearsed, and of which rows "open" cannot be trusted for it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use safe_apply::rehearsal::limits::Limits;
use safe_apply::rehearsal::probe::Side;
use safe_apply::rehearsal::{Flow, Protocol};

use super::support::{Change, nft, v4, v6};

const HERE: &str = "192.0.2.1";
const THERE: &str = "203.0.113.9";

fn flow(from: &str, to: &str) -> Flow {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap();
    Flow {
        protocol: Protocol::Tcp,
        source: end(from),
        destination: end(to),
    }
}

/// Whether "open" is doubtful for a connection from outside to this port.
fn inward(limits: &Limits, port: u16) -> bool {
    let flow = flow(&format!("{THERE}:50000"), &format!("{HERE}:{port}"));
    limits.doubt(Side::World, &flow).is_some()
}

/// The same, from this host to that port of another.
fn outward(limits: &Limits, port: u16) -> bool {
    let flow = flow(&format!("{HERE}:50000"), &format!("{THERE}:{port}"));
    limits.doubt(Side::Host, &flow).is_some()
}

/// A table with these lines.
fn table(lines: &str) -> String {
    format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\n{lines}\n\
         -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
    )
}

fn inet(rules: &str) -> String {
    format!(
        "table inet f {{\nset ports {{ type inet_service; elements = {{ 80 }}; }}\n\
         set seen {{ type ipv4_addr; flags dynamic; }}\nchain x {{\n}}\nchain input {{\n\
         type filter hook input priority 0; policy drop;\n{rules}\ntcp dport 22 accept\n}}\n}}\n"
    )
}

/// Both backends.
fn both(lines: &str) -> [Change; 2] {
    [
        Change::new(&[], &[v4(&table(lines))]),
        Change::legacy(&[], &[v4(&table(lines))]),
    ]
}

#[test]
fn matches_that_a_rehearsal_does_not_show() {
    for (rule, reason) in [
        ("-m statistic --mode random --probability 0.5", "by chance"),
        ("-m connlimit --connlimit-above 5", "counts connections"),
        ("-m quota --quota 5", "quota"),
        ("-m cgroup --cgroup 1", "control group"),
        ("-m socket", "socket that a packet is for"),
        ("-m policy --dir in --pol ipsec", "IPsec"),
        ("-m physdev --physdev-in x", "ports of a bridge"),
        ("-m ttl --ttl-lt 5", "how far a packet came"),
        ("-m string --algo bm --string x", "what is in packets"),
        ("-m u32 --u32 0=0", "what is in packets"),
        ("-m length --length 5", "length of packets"),
        ("-m dscp --dscp 5", "type of service"),
        ("-m tos --tos 8", "type of service"),
        ("-m osf --genre Linux -p tcp", "operating system"),
        ("-m cpu --cpu 0", "processor"),
        (
            "-m connbytes --connbytes 5 --connbytes-dir both --connbytes-mode bytes",
            "carried",
        ),
    ] {
        for change in both(&format!("-A INPUT {rule} -j DROP")) {
            let limits = change.limits();
            let first = limits.list.first().unwrap();
            assert!(first.message.contains(reason), "{rule}: {}", first.message);
            assert!(first.is_decisive, "{rule}");
            assert_eq!(
                (first.file.as_deref(), first.line),
                (Some("rules.v4"), Some(6)),
                "{rule}"
            );
            assert!(inward(&limits, 22) && inward(&limits, 443), "{rule}");
        }
    }
    for (rule, reason) in [
        ("numgen random mod 2 0 drop", "by chance"),
        ("meta random < 5 drop", "by chance"),
        ("symhash mod 2 0 drop", "by chance"),
        ("ct count over 5 drop", "counts connections"),
        (
            "update @seen { ip saddr ct count over 5 } drop",
            "counts connections",
        ),
        ("quota over 5 bytes drop", "quota"),
        ("meta cgroup 5 drop", "control group"),
        ("socket transparent 1 drop", "socket that a packet is for"),
        ("meta secpath exists drop", "IPsec"),
        ("ipsec in reqid 1 drop", "IPsec"),
        ("ip ttl < 5 drop", "how far a packet came"),
        ("ct bytes > 5 drop", "carried"),
        ("meta length > 5 drop", "length"),
        ("ip dscp 5 drop", "type of service"),
        ("@ih,0,8 5 drop", "what is in packets"),
        ("@th,160,8 5 drop", "what is in packets"),
        ("osf name \"Linux\" drop", "operating system"),
        ("meta cpu 0 drop", "processor"),
        ("iiftype ppp drop", "kind of interface"),
        (
            "numgen inc mod 2 vmap { 0 : drop, 1 : continue }",
            "by chance",
        ),
    ] {
        let limits = Change::new(&[], &[nft(&inet(rule))]).limits();
        let first = limits.list.first().unwrap();
        assert!(first.message.contains(reason), "{rule}: {}", first.message);
        assert_eq!(first.line, Some(8), "{rule}");
        assert!(first.is_decisive && inward(&limits, 22), "{rule}");
    }
}

#[test]
fn what_is_as_on_the_host_is_no_limit() {
    for rule in [
        "-p tcp --dport 80",
        "-s 192.0.2.0/24",
        "-m conntrack --ctstate NEW",
        "-m state --state NEW",
        "-m addrtype --dst-type LOCAL",
        "-m pkttype --pkt-type host",
        "-m mark --mark 1",
        "-m connlabel --label 1",
        "-m iprange --src-range 10.0.0.1-10.0.0.2",
        "-p icmp --icmp-type 8",
        "-m devgroup --src-group 1",
        "-m comment --comment x",
        "-p tcp -m multiport --dports 80,81",
        "-p tcp --syn",
        "-i ens3",
    ] {
        for change in both(&format!("-A INPUT {rule} -j DROP")) {
            assert_eq!(change.limits().list, [], "{rule}");
        }
    }
    for rule in [
        "tcp dport 80 drop",
        "ct state new drop",
        "ip saddr @seen drop",
        "icmpv6 type echo-request drop",
        "fib saddr oif 0 drop",
        "iifname ens3 drop",
        "tcp flags syn drop",
        "tcp dport @ports drop",
        "ip6 saddr 2001:db8::/64 drop",
        "ip protocol 6 drop",
        "icmp code 0 drop",
        "meta mark 5 drop",
        "ct mark set 1",
        "log",
        "reject",
        "counter",
    ] {
        let limits = Change::new(&[], &[nft(&inet(rule))]).limits();
        assert_eq!(limits.list, [], "{rule}");
        assert!(!inward(&limits, 22), "{rule}");
    }
}

#[test]
fn programs_that_decide() {
    for change in both("-A INPUT -p tcp --dport 443 -j NFQUEUE --queue-num 1") {
        let limits = change.limits();
        assert!(
            limits.list[0].message.contains("asks a program"),
            "{:?}",
            limits.list
        );
        assert!(inward(&limits, 443) && !inward(&limits, 22));
    }
    for change in
        both("-A INPUT -p tcp --dport 443 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY")
    {
        assert!(change.limits().list[0].message.contains("SYNPROXY"));
    }
}

#[test]
fn what_is_true_now_is_only_told() {
    for (rule, reason) in [
        ("-m limit --limit 5/sec", "rate limit"),
        (
            "-m hashlimit --hashlimit-name h --hashlimit-above 5/sec",
            "hashlimit h",
        ),
        (
            "-m recent --name knocks --update --seconds 60",
            "list knocks",
        ),
        ("-m time --timestart 10:00", "clock"),
        ("-m mac --mac-source 02:00:00:00:00:01", "hardware"),
        ("-m helper --helper ftp", "helper"),
    ] {
        for change in both(&format!("-A INPUT {rule} -j DROP")) {
            let limits = change.limits();
            let first = limits.list.first().unwrap();
            assert!(first.message.contains(reason), "{rule}: {}", first.message);
            assert_eq!(first.line, Some(6), "{rule}");
            assert!(!first.is_decisive && !inward(&limits, 22), "{rule}");
        }
    }
    for rule in [
        "limit rate over 5/second drop",
        "meta hour \"10:00\"-\"12:00\" drop",
        "ether saddr 02:00:00:00:00:01 drop",
    ] {
        let limits = Change::new(&[], &[nft(&inet(rule))]).limits();
        assert_eq!(limits.list.len(), 1, "{rule}");
        assert!(
            !limits.list[0].is_decisive && !inward(&limits, 22),
            "{rule}"
        );
    }
}

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
