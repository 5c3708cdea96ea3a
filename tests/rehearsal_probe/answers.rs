//! Who answers, and from where.

use std::net::SocketAddr;

use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::probe::Outcome::{self, Answered, Rejected, Silence};
use safe_apply::rehearsal::probe::{Audience, Side, Wanted};

use crate::lab::{
    HOST, HOST_TOO, HOST_V6, Lab, SITE, USER, USER_V6, address, inbound, outbound, wanted,
};

#[test]
fn answers_belong_to_the_owner_of_the_listener() {
    let lab = Lab::new();
    // UDP 53 is user 53's, TCP 80 user 33's, TCP 22 root's.
    lab.rules(
        "table inet filter {\n chain c {\n type filter hook output priority 0;\n \
         udp sport 53 meta skuid != 53 drop;\n \
         tcp sport 80 tcp flags & psh == psh meta skuid != 33 drop;\n \
         tcp sport 22 tcp flags & psh == psh meta skuid 0 drop;\n }\n}\n",
    );
    let probes = [
        inbound(Protocol::Udp, USER, HOST, 53),
        inbound(Protocol::Udp, USER_V6, HOST_V6, 53),
        inbound(Protocol::Tcp, USER, HOST, 80),
        inbound(Protocol::Tcp, USER, HOST, 22),
    ];
    assert_eq!(
        lab.outcomes(&probes),
        [Answered, Answered, Answered, Silence]
    );
}

#[test]
fn the_hosts_probes_are_sent_by_the_user_that_is_asked_for() {
    let lab = Lab::new();
    lab.rules(
        "table inet filter {\n chain c {\n type filter hook output priority 0;\n \
         meta skuid 1234 accept;\n oif eth0 meta l4proto { tcp, udp, icmp } drop;\n }\n}\n",
    );
    let mut probes = Vec::new();
    for uid in [1234, 0] {
        for (protocol, port) in [
            (Protocol::Tcp, 443),
            (Protocol::Udp, 53),
            (Protocol::Icmp, 0),
        ] {
            let mut probe = outbound(protocol, HOST, SITE, port);
            probe.uid = uid;
            probes.push(probe);
        }
    }
    let expected = [Answered, Answered, Answered, Silence, Silence, Silence];
    assert_eq!(lab.outcomes(&probes), expected);
}

#[test]
fn datagrams_are_answered_from_the_address_that_was_asked() {
    let only = |address: &str| wanted(Protocol::Udp, address, 0);
    let v6 = Wanted {
        v6_only: true,
        ..only("[::]:1000")
    };
    let sockets = [
        v6,
        only("0.0.0.0:1000"),
        only("[::]:2000"),
        only("192.0.2.2:3000"),
    ];
    let lab = Lab::listening(&sockets);
    let probes = [
        inbound(Protocol::Udp, USER, HOST, 1000),
        inbound(Protocol::Udp, USER, HOST_TOO, 1000),
        inbound(Protocol::Udp, USER_V6, HOST_V6, 1000),
        inbound(Protocol::Udp, USER, HOST_TOO, 2000),
        inbound(Protocol::Udp, USER_V6, HOST_V6, 2000),
        inbound(Protocol::Udp, USER, HOST_TOO, 3000),
        inbound(Protocol::Udp, USER, HOST, 3000),
    ];
    let mut expected = vec![Answered; 6];
    expected.push(Rejected);
    assert_eq!(lab.outcomes(&probes), expected);
}

#[test]
fn what_nat_leads_to_another_port_is_answered_and_to_another_side_is_unsent() {
    let lab = Lab::new();
    lab.server
        .enter(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap())
        .unwrap();
    lab.rules(&format!(
        "table ip nat {{\n chain pre {{\n type nat hook prerouting priority -100;\n \
         tcp dport 2222 redirect to :22;\n udp dport 5353 redirect to :53;\n \
         tcp dport 8443 dnat to {SITE}:443;\n }}\n \
         chain post {{\n type nat hook postrouting priority 100;\n tcp dport 443 masquerade;\n }}\n \
         chain out {{\n type nat hook output priority -100;\n \
         ip daddr {SITE} udp dport 53 dnat to {HOST}:53;\n }}\n}}\n"
    ));
    let probes = [
        inbound(Protocol::Tcp, USER, HOST, 2222),
        inbound(Protocol::Udp, USER, HOST_TOO, 5353),
        inbound(Protocol::Tcp, USER, HOST, 8443),
        outbound(Protocol::Udp, HOST, SITE, 53),
        outbound(Protocol::Tcp, HOST, SITE, 443),
    ];
    let outcomes = lab.outcomes(&probes);
    assert_eq!(outcomes[..2], [Answered, Answered]);
    assert!(
        matches!(&outcomes[2], Outcome::Unsent(why) if why.contains("another host")),
        "{outcomes:?}"
    );
    assert!(
        matches!(&outcomes[3], Outcome::Unsent(why) if why.contains("itself")),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[4], Answered);
}

#[test]
fn listeners_keep_to_their_device_and_to_their_family() {
    let mut bound = wanted(Protocol::Tcp, "0.0.0.0:1000", 0);
    bound.device = Some("lo".to_owned());
    let mut v6 = wanted(Protocol::Tcp, "[::]:2000", 0);
    v6.v6_only = true;
    let lab = Lab::listening(&[bound, v6]);
    let probes = [
        inbound(Protocol::Tcp, USER, HOST, 1000),
        outbound(Protocol::Tcp, "127.0.0.1", "127.0.0.1", 1000),
        inbound(Protocol::Tcp, USER, HOST, 2000),
        inbound(Protocol::Tcp, USER_V6, HOST_V6, 2000),
    ];
    assert_eq!(
        lab.outcomes(&probes),
        [Rejected, Answered, Rejected, Answered]
    );
}

#[test]
fn sockets_that_cannot_be_opened_are_told_and_the_others_answer() {
    let mut lab = Lab::listening(&[]);
    let mut bad = wanted(Protocol::Tcp, "0.0.0.0:1000", 0);
    bad.device = Some("nowhere0".to_owned());
    let good = wanted(Protocol::Tcp, "0.0.0.0:2000", 0);
    let audience =
        Audience::open(&lab.server, Side::Host, &[bad.clone(), good.clone(), good]).unwrap();
    let missing: Vec<_> = audience
        .missing()
        .iter()
        .map(|missing| &missing.wanted)
        .collect();
    assert_eq!(missing, [&bad]);
    let probe = inbound(Protocol::Tcp, USER, HOST, 2000);
    assert_eq!(lab.outcomes(std::slice::from_ref(&probe)), [Answered]);
    // With the audience its sockets go.
    lab.listening = None;
    drop(audience);
    assert_eq!(lab.outcomes(&[probe]), [Rejected]);
}

#[test]
fn source_ports_are_those_asked_for_or_fresh() {
    let lab = Lab::new();
    let mut fixed = inbound(Protocol::Tcp, USER, HOST, 22);
    fixed.source = address(USER, 40022);
    let mut udp = inbound(Protocol::Udp, USER_V6, HOST_V6, 53);
    udp.source = address(USER_V6, 53);
    let free = inbound(Protocol::Tcp, USER, HOST, 22);
    let answers = lab.ask(&[fixed.clone(), udp.clone(), free.clone(), free]);
    assert!(
        answers.iter().all(|answer| answer.outcome == Answered),
        "{answers:?}"
    );
    let sources: Vec<SocketAddr> = answers.iter().map(|answer| answer.flow.source).collect();
    assert_eq!(sources[..2], [fixed.source, udp.source]);
    assert!(
        sources[2..]
            .iter()
            .all(|source| (32768..61000).contains(&source.port()))
    );
    assert_ne!(sources[2], sources[3]);
    // The address of nobody, out of an interface that is not there, from a port that is taken twice.
    let mut lost = inbound(Protocol::Tcp, USER, HOST, 22);
    lost.device = Some("nowhere0".to_owned());
    let unsent = lab.outcomes(&[lost, fixed.clone(), fixed]);
    assert!(matches!(unsent[0], Outcome::Unsent(_)), "{unsent:?}");
    assert_eq!(unsent[1], Answered);
    assert!(matches!(unsent[2], Outcome::Unsent(_)), "{unsent:?}");
}
