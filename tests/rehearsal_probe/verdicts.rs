//! What rules do to probes.

use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::probe::Outcome::{self, Answered, Rejected, Silence};

use crate::lab::{
    DEADLINE, HOST, HOST_TOO, HOST_V6, Lab, SITE, SITE_V6, STRANGER, USER, USER_V6, every_kind,
    inbound, ip, outbound,
};

/// A filter table with one chain at this hook.
fn filter(hook: &str, rules: &str) -> String {
    format!(
        "table inet filter {{\n chain c {{\n type filter hook {hook} priority 0;\n {rules}\n }}\n}}\n"
    )
}

/// Neighbour discovery is ICMPv6, too.
const NEIGHBOURS: &str = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept;";

#[test]
fn without_rules_everything_is_answered() {
    let lab = Lab::new();
    let mut probes = every_kind();
    probes.push(inbound(Protocol::Tcp, STRANGER, HOST_TOO, 80));
    probes.push(outbound(Protocol::Tcp, "127.0.0.1", "127.0.0.1", 80));
    probes.push(outbound(Protocol::Tcp, HOST, HOST, 22));
    probes.push(outbound(Protocol::Udp, "::1", "::1", 53));
    for (answer, probe) in lab.ask(&probes).iter().zip(&probes) {
        assert_eq!(answer.outcome, Answered, "{probe:?}");
        assert_eq!(answer.flow.source.ip(), probe.source.ip());
        assert_eq!(answer.flow.destination, probe.destination);
        assert_eq!(
            answer.flow.source.port() == 0,
            probe.protocol == Protocol::Icmp
        );
        assert_eq!(answer.spot, None);
    }
}

#[test]
fn what_is_dropped_on_either_way_is_silence() {
    for hook in ["input", "output"] {
        let lab = Lab::new();
        lab.rules(&filter(hook, &format!("{NEIGHBOURS} drop;")));
        let outcomes = lab.outcomes(&every_kind());
        assert!(
            outcomes.iter().all(|outcome| *outcome == Silence),
            "{hook}: {outcomes:?}"
        );
    }
}

#[test]
fn a_drop_concerns_only_what_it_matches() {
    let lab = Lab::new();
    lab.rules(&filter(
        "input",
        &format!("ip saddr {STRANGER} drop; tcp dport 80 drop;"),
    ));
    let probes = [
        inbound(Protocol::Tcp, USER, HOST, 22),
        inbound(Protocol::Tcp, USER, HOST, 80),
        inbound(Protocol::Tcp, STRANGER, HOST, 22),
        inbound(Protocol::Icmp, STRANGER, HOST, 0),
        inbound(Protocol::Icmp, USER, HOST, 0),
    ];
    assert_eq!(
        lab.outcomes(&probes),
        [Answered, Silence, Silence, Silence, Answered]
    );
}

#[test]
fn resets_and_icmp_errors_are_rejections() {
    let kinds = [
        "icmpx type port-unreachable",
        "icmpx type admin-prohibited",
        "icmpx type host-unreachable",
        "icmpx type no-route",
    ];
    for hook in ["input", "prerouting"] {
        for kind in kinds {
            let lab = Lab::new();
            lab.rules(&filter(
                hook,
                &format!("{NEIGHBOURS} iif eth0 ct state new reject with {kind};"),
            ));
            let probes: Vec<_> = every_kind()
                .into_iter()
                .filter(|probe| probe.device.is_some())
                .collect();
            let outcomes = lab.outcomes(&probes);
            assert!(
                outcomes.iter().all(|outcome| *outcome == Rejected),
                "{kind}: {outcomes:?}"
            );
        }
    }
    let lab = Lab::new();
    lab.rules(&filter("input", "meta l4proto tcp reject with tcp reset;"));
    let probes = [
        inbound(Protocol::Tcp, USER, HOST, 22),
        inbound(Protocol::Tcp, USER_V6, HOST_V6, 22),
    ];
    assert_eq!(lab.outcomes(&probes), [Rejected, Rejected]);
}

#[test]
fn the_hosts_own_rejections_reach_its_own_probes() {
    for kind in ["icmpx type port-unreachable", "icmpx type admin-prohibited"] {
        let lab = Lab::new();
        lab.rules(&filter(
            "output",
            &format!("{NEIGHBOURS} oif eth0 reject with {kind};"),
        ));
        let probes: Vec<_> = every_kind()
            .into_iter()
            .filter(|probe| probe.device.is_none())
            .collect();
        let outcomes = lab.outcomes(&probes);
        assert!(
            outcomes.iter().all(|outcome| *outcome == Rejected),
            "{kind}: {outcomes:?}"
        );
    }
    let lab = Lab::new();
    lab.rules(&filter(
        "output",
        "oif eth0 tcp dport 443 reject with tcp reset;",
    ));
    let probes = [
        outbound(Protocol::Tcp, HOST, SITE, 443),
        outbound(Protocol::Tcp, HOST_V6, SITE_V6, 443),
    ];
    assert_eq!(lab.outcomes(&probes), [Rejected, Rejected]);
}

#[test]
fn a_connection_that_only_shakes_hands_is_not_open() {
    let all = [
        // Data of the client, any of it, or only what fills packets.
        (
            "input",
            "tcp dport 22 tcp flags & psh == psh drop;",
            Silence,
        ),
        ("input", "tcp dport 22 meta length > 1000 drop;", Silence),
        // Data of the server.
        (
            "output",
            "tcp sport 22 tcp flags & psh == psh drop;",
            Silence,
        ),
        ("output", "tcp sport 22 meta length > 1000 drop;", Silence),
        (
            "input",
            "tcp dport 22 meta length > 1000 reject with tcp reset;",
            Rejected,
        ),
        (
            "input",
            "tcp dport 22 tcp flags & psh == psh reject;",
            Rejected,
        ),
    ];
    for (hook, rules, expected) in all {
        let lab = Lab::new();
        lab.rules(&filter(hook, rules));
        let probes = [
            inbound(Protocol::Tcp, USER, HOST, 22),
            inbound(Protocol::Tcp, USER_V6, HOST_V6, 22),
            inbound(Protocol::Tcp, USER, HOST, 80),
        ];
        let expected = [expected.clone(), expected, Answered];
        assert_eq!(lab.outcomes(&probes), expected, "{rules}");
    }
}

#[test]
fn a_syn_is_not_repeated_but_data_is() {
    let every_other = |which: &str| {
        let lab = Lab::new();
        lab.rules(&filter(
            "input",
            &format!("tcp dport 22 tcp flags & ({which}) == {which} numgen inc mod 2 0 drop;"),
        ));
        let probes = [
            inbound(Protocol::Tcp, USER, HOST, 22),
            inbound(Protocol::Udp, USER, HOST, 53),
        ];
        // Longer than it takes to repeat either.
        lab.outcomes_within(&probes, DEADLINE * 5)
    };
    assert_eq!(every_other("syn"), [Silence, Answered]);
    assert_eq!(every_other("psh"), [Answered, Answered]);
}

#[test]
fn where_nobody_listens_the_kernel_rejects() {
    let lab = Lab::listening(&[]);
    let probes = [
        inbound(Protocol::Tcp, USER, HOST, 22),
        inbound(Protocol::Udp, USER_V6, HOST_V6, 53),
        inbound(Protocol::Icmp, USER, HOST, 0),
    ];
    assert_eq!(lab.outcomes(&probes), [Rejected, Rejected, Answered]);
}

#[test]
fn without_neighbours_there_is_silence() {
    let lab = Lab::new();
    lab.rules(
        "table arp filter {\n chain c {\n type filter hook input priority 0; policy drop;\n }\n}\n",
    );
    lab.rules("table ip6 filter {\n chain c {\n type filter hook input priority 0;\n icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop;\n }\n}\n");
    // Neighbours are given up before the deadline, and the sender's kernel says so to the sender.
    let hurry = |link: &str| {
        for family in ["ipv4", "ipv6"] {
            for (name, value) in [
                ("retrans_time_ms", "1"),
                ("mcast_solicit", "1"),
                ("ucast_solicit", "1"),
            ] {
                std::fs::write(format!("/proc/sys/net/{family}/neigh/{link}/{name}"), value)
                    .unwrap();
            }
        }
    };
    lab.world.enter(|| hurry("out0")).unwrap();
    lab.server.enter(|| hurry("eth0")).unwrap();
    let outcomes = lab.outcomes(&every_kind());
    assert!(
        outcomes.iter().all(|outcome| *outcome == Silence),
        "{outcomes:?}"
    );
}

#[test]
fn what_has_no_route_is_unsent() {
    let lab = Lab::new();
    lab.server
        .enter(|| ip("route del default\nroute add unreachable default\n"))
        .unwrap();
    let probes = [
        outbound(Protocol::Tcp, HOST, SITE, 443),
        outbound(Protocol::Udp, HOST, SITE, 53),
        outbound(Protocol::Icmp, HOST, SITE, 0),
    ];
    for outcome in lab.outcomes(&probes) {
        assert!(matches!(outcome, Outcome::Unsent(_)), "{outcome:?}");
    }
}

#[test]
fn a_hundred_probes_at_once() {
    let lab = Lab::new();
    lab.rules(&filter(
        "input",
        "tcp dport 100-159 drop; tcp dport 160-179 reject; udp dport 180-199 reject;",
    ));
    let mut probes: Vec<_> = (100..180)
        .map(|port| inbound(Protocol::Tcp, USER, HOST, port))
        .collect();
    probes.extend((180..200).map(|port| inbound(Protocol::Udp, USER, HOST, port)));
    probes.extend((0..20).map(|_| inbound(Protocol::Tcp, STRANGER, HOST, 22)));
    let outcomes = lab.outcomes(&probes);
    for (place, (outcome, probe)) in outcomes.iter().zip(&probes).enumerate() {
        let expected = match place {
            0..60 => Silence,
            60..100 => Rejected,
            _ => Answered,
        };
        assert_eq!(*outcome, expected, "{probe:?}");
    }
}
