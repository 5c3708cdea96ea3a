//! What is not rehearsed.

use super::doubt_support::{both, inet, inward};
use super::support::{Change, nft};

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
        ("-p tcp --tcp-option 8", "TCP options"),
        ("-p tcp --syn -m tcpmss --mss 1:1380", "TCP options"),
        ("-m osf --genre Linux -p tcp", "operating system"),
        ("-m cpu --cpu 0", "processor"),
        (
            "-m connbytes --connbytes 5 --connbytes-dir both --connbytes-mode bytes",
            "carried",
        ),
    ] {
        for change in both(&format!("-A INPUT {rule} -j DROP")) {
            let limits = change.limits();
            let first = limits.list.first().unwrap_or_else(|| panic!("{rule}"));
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
        ("tcp option sack-perm missing drop", "TCP options"),
        ("tcp option timestamp exists drop", "TCP options"),
        ("tcp option maxseg size < 1400 drop", "TCP options"),
        ("tcp option maxseg size 1-1380 drop", "TCP options"),
        ("ip frag-off & 0x4000 == 0 drop", "fragmented"),
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
        let first = limits.list.first().unwrap_or_else(|| panic!("{rule}"));
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
        "tcp option maxseg size 1-535 drop",
        "tcp option maxseg size < 500 drop",
        "tcp option maxseg size != 536-65535 drop",
        "ip frag-off & 0x1fff != 0 drop",
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
            let first = limits.list.first().unwrap_or_else(|| panic!("{rule}"));
            assert!(first.message.contains(reason), "{rule}: {}", first.message);
            assert_eq!(first.line, Some(6), "{rule}");
            assert!(!first.is_decisive && !inward(&limits, 22), "{rule}");
        }
    }
    for rule in [
        "limit rate over 5/second drop",
        "meta hour \"10:00\"-\"12:00\" drop",
        "ether saddr 02:00:00:00:00:01 drop",
        "ip saddr @expiring accept",
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
fn objects_of_a_table_count_as_what_they_are() {
    let objects = |rule: &str| {
        inet(rule).replace(
            "chain x {",
            "quota q { over 5 mbytes; }\nlimit l { rate 5/second; }\ncounter c { }
            map quotas { type inet_service : quota; elements = { 80 : \"q\" }; }
            map counters { type inet_service : counter; elements = { 80 : \"c\" }; }\nchain x {",
        )
    };
    let of = |rule: &str| Change::new(&[], &[nft(&objects(rule))]).limits();
    for rule in [
        "quota name \"q\" drop",
        "quota name tcp dport map @quotas drop",
    ] {
        let limits = of(rule);
        assert!(
            limits.list[0].message.contains("quota"),
            "{rule}: {:?}",
            limits.list
        );
        assert!(inward(&limits, 80), "{rule}");
    }
    assert!(of("limit name \"l\" drop").list[0].message.contains("rate"));
    for rule in [
        "counter name \"c\" drop",
        "counter name tcp dport map @counters drop",
    ] {
        assert_eq!(of(rule).list, [], "{rule}");
    }
}

#[test]
fn what_is_attached_to_interfaces_is_told() {
    use safe_apply::exec::Run;
    use safe_apply::netns::NetNs;
    use safe_apply::rehearsal::limits::Live;

    let devices = std::collections::BTreeSet::from(["ens3".to_owned(), "ens4".to_owned()]);
    let live = NetNs::host_like(&devices)
        .unwrap()
        .enter(|| {
            assert_eq!(Live::read().attached, std::collections::BTreeSet::new());
            let tc = Run::tool("tc")
                .unwrap()
                .args(["qdisc", "add", "dev", "ens4", "clsact"]);
            tc.success().unwrap();
            Live::read()
        })
        .unwrap();
    let mut change = Change::new(&[], &[nft(&inet("accept"))]);
    change.live = live;
    let list = change.limits().list;
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(
        list[0].message.starts_with("filters of tc at ens4:"),
        "{list:?}"
    );
    assert!(!list[0].is_decisive);
}
