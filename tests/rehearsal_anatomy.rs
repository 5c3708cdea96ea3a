//! What is said of a rule without the kernel is what the kernel does: packets are sent over the
//! loopback interface of a namespace, and the rules' counters tell which matched.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

#[path = "rehearsal_anatomy/conditions.rs"]
mod conditions;

use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use conditions::{IPTABLES, IPTABLES_V4, IPTABLES_V6, NFT};
use safe_apply::checkpoint::Snapshot;
use safe_apply::exec::Run;
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::anatomy::{Anatomy, Answer, Device, Packet, Walk, state};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A packet, and how it is sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    tcp: bool,
    from: &'static str,
    to: &'static str,
}

const PACKETS: [Sent; 8] = [
    sent(false, "127.0.0.1:5000", "127.0.0.1:53"),
    sent(false, "127.0.0.1:1053", "127.0.0.2:1194"),
    sent(false, "127.1.2.3:53", "127.0.0.1:65535"),
    sent(false, "[::1]:5000", "[::1]:53"),
    sent(true, "127.0.0.1:0", "127.0.0.1:22"),
    sent(true, "127.0.0.1:0", "127.0.0.9:443"),
    sent(true, "127.0.0.1:0", "127.0.0.1:8085"),
    sent(true, "[::1]:0", "[::1]:22"),
];

const fn sent(tcp: bool, from: &'static str, to: &'static str) -> Sent {
    Sent { tcp, from, to }
}

impl Sent {
    fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.from.parse().unwrap(), self.to.parse().unwrap())
    }

    /// As it is known here; the port of a connection is the kernel's to choose.
    fn packet(&self) -> Packet {
        let (from, to) = self.ends();
        let port = |end: SocketAddr| Some(end.port()).filter(|port| *port != 0);
        let ip = |end: SocketAddr| Some::<IpAddr>(end.ip());
        let protocol = if self.tcp { TCP } else { UDP };
        let packet = Packet::new(ip(from), ip(to), from.is_ipv6(), protocol);
        let packet = match self.tcp {
            true => packet.syn(port(from), port(to)),
            false => packet
                .ports(port(from), port(to))
                .in_state(Some(state::NEW)),
        };
        packet.by(Some(Device::loopback()))
    }

    fn send(&self) {
        let (from, to) = self.ends();
        if self.tcp {
            // Nobody listens; what comes back is dropped by the rules of the test.
            let timeout = Duration::from_millis(50);
            assert!(TcpStream::connect_timeout(&to, timeout).is_err());
        } else {
            let socket = UdpSocket::bind(from).unwrap();
            socket.send_to(b"hello", to).unwrap();
        }
    }
}

fn tool(words: &[&str], input: &str) -> Vec<u8> {
    let run = Run::tool(words[0]).unwrap().args(&words[1..]);
    run.stdin(input).success().unwrap()
}

/// Checks every rule with every packet; returns how many answers were sure.
fn check(
    packets: &[Sent],
    load: &(dyn Fn() + Sync),
    counts: &(dyn Fn() -> Vec<u64> + Sync),
    chain: &str,
    texts: &[&str],
) -> usize {
    let namespace = NetNs::host_like(&std::collections::BTreeSet::new()).unwrap();
    let mut sure = 0;
    for one in packets {
        namespace
            .enter(|| {
                load();
                let snapshot = Snapshot::capture().unwrap();
                let all = Anatomy::of(&snapshot);
                let before = counts();
                one.send();
                let after = counts();
                let walk = Walk::new(&all, one.packet());
                let v6 = one.packet().v6;
                let rules = all
                    .chains
                    .iter()
                    .filter(|one| one.name == chain)
                    .flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
                let mut at = 0;
                for (chain, rule) in rules {
                    let matched = after[at] > before[at];
                    let text = &texts[at];
                    at += 1;
                    let answer = match chain.sees(v6) {
                        true => walk.hits(rule).0,
                        false => Answer::No,
                    };
                    sure += usize::from(answer != Answer::Maybe);
                    match answer {
                        Answer::Yes => assert!(matched, "{one:?} should match {text}"),
                        Answer::No => assert!(!matched, "{one:?} should not match {text}"),
                        Answer::Maybe => {}
                    }
                }
                assert_eq!(at, texts.len());
            })
            .unwrap();
    }
    sure
}

#[test]
fn nft_rules_match_as_the_kernel_says() {
    let (mut rules, mut chains) = (String::new(), String::new());
    for (at, rule) in NFT.iter().enumerate() {
        // A map comes last in a rule, so what it lets through is counted elsewhere.
        match rule.split_once(" vmap ") {
            Some((key, map)) => {
                let map = map.replace("continue", &format!("jump hit{at}"));
                rules += &format!("{key} vmap {map}\n");
                chains += &format!("chain hit{at} {{ counter; }}\n");
            }
            None => rules += &format!("{rule} counter\n"),
        }
    }
    let script = format!(
        "flush ruleset
        table inet t {{
            set addresses {{ type ipv4_addr; elements = {{ 127.0.0.2 }}; }}
            set ranges {{ type ipv4_addr; flags interval; elements = {{ 127.0.0.0-127.0.0.1, 127.0.0.9-127.0.0.20 }}; }}
            set pairs {{ type ipv4_addr . inet_service; flags interval; elements = {{ 127.0.0.0/30 . 1-100 }}; }}
            {chains}
            chain answers {{ type filter hook input priority -10; tcp flags rst drop; meta l4proto {{ icmp, ipv6-icmp }} drop; }}
            chain rules {{ type filter hook input priority 0; {rules} }}
        }}"
    );
    let load = || drop(tool(&["nft", "-f", "-"], &script));
    let counts = || {
        let listed = tool(&["nft", "-j", "list", "table", "inet", "t"], "");
        let json: serde_json::Value = serde_json::from_slice(&listed).unwrap();
        let all: Vec<_> = json["nftables"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one.get("rule"))
            .collect();
        let count = |rule: &serde_json::Value| {
            let expressions = rule["expr"].as_array().unwrap();
            let counter = expressions.iter().find_map(|one| one.get("counter"));
            counter.map(|counter| counter["packets"].as_u64().unwrap())
        };
        let of = |chain: &str| {
            all.iter()
                .filter(|rule| rule["chain"] == chain)
                .collect::<Vec<_>>()
        };
        of("rules")
            .iter()
            .enumerate()
            .map(|(at, rule)| {
                count(rule).unwrap_or_else(|| count(of(&format!("hit{at}"))[0]).unwrap())
            })
            .collect::<Vec<u64>>()
    };
    let sure = check(&PACKETS, &load, &counts, "rules", &NFT);
    println!("{sure} sure answers of {}", NFT.len() * PACKETS.len());
    assert!(sure > PACKETS.len() * 55, "{sure}");
}

fn iptables(backend: &str) -> usize {
    let mut sure = 0;
    for (family, v6, own) in [
        ("iptables", false, &IPTABLES_V4[..]),
        ("ip6tables", true, &IPTABLES_V6),
    ] {
        let rules: Vec<&str> = IPTABLES.iter().chain(own).copied().collect();
        let answers = if v6 { "-p ipv6-icmp" } else { "-p icmp" };
        let lines: String = rules
            .iter()
            .map(|rule| format!("-A RULES {rule}\n"))
            .collect();
        let text = format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:RULES - [0:0]\n-A INPUT {answers} -j DROP\n\
             -A INPUT -p tcp --tcp-flags RST RST -j DROP\n-A INPUT -j RULES\n{lines}COMMIT\n"
        );
        let restore = format!("{family}-{backend}-restore");
        let save = format!("{family}-{backend}-save");
        let load = || drop(tool(&[&restore], &text));
        let counts = || {
            let printed = tool(&[&save, "-c"], "");
            let printed = String::from_utf8(printed).unwrap();
            let lines = printed.lines().filter(|line| line.contains("-A RULES"));
            lines
                .map(|line| line[1..].split(':').next().unwrap().parse().unwrap())
                .collect::<Vec<u64>>()
        };
        let packets = PACKETS.iter().filter(|one| one.packet().v6 == v6);
        let packets: Vec<Sent> = packets.copied().collect();
        sure += check(&packets, &load, &counts, "RULES", &rules);
    }
    sure
}

#[test]
fn iptables_rules_over_nf_tables_match_as_the_kernel_says() {
    let sure = iptables("nft");
    println!("{sure} sure answers");
    assert!(sure > 270, "{sure}");
}

#[test]
fn legacy_rules_match_as_the_kernel_says() {
    let sure = iptables("legacy");
    println!("{sure} sure answers");
    assert!(sure > 270, "{sure}");
}
