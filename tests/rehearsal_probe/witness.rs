//! Rules that are seen to stop packets.

use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use safe_apply::checkpoint::Part;
use safe_apply::nftables::TableId;
use safe_apply::rehearsal::decide::{Spot, Stopped};
use safe_apply::rehearsal::probe::Outcome::{Answered, Rejected, Silence};
use safe_apply::rehearsal::probe::{OldSession, Probe, Witness, run};
use safe_apply::rehearsal::{Flow, Protocol};

use crate::lab::{
    DEADLINE, HOST, HOST_V6, Lab, SITE, USER, USER_V6, address, inbound, outbound, waits,
};

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);
const DROP: &str = "table inet filter {\n chain c {\n type filter hook input priority 0;\n udp dport 53 drop; tcp dport 80 drop; tcp dport 81 reject with tcp reset; icmp type echo-request drop;\n }\n}\n";

/// Says what it was told to say, one after the other.
struct Scripted(VecDeque<Stopped>);

impl Witness for Scripted {
    async fn next(&mut self) -> Stopped {
        match self.0.pop_front() {
            Some(stopped) => stopped,
            None => pending().await,
        }
    }
}

fn spot(family: u8, chain: &str, rule: usize) -> Spot {
    let name = "filter".to_owned();
    Spot {
        part: Part::Nft(TableId { family, name }),
        chain: chain.to_owned(),
        rule: Some(rule),
        reply: false,
    }
}

fn stopped(probe: &Probe, rule: usize) -> Stopped {
    let flow = Flow {
        protocol: probe.protocol,
        source: probe.source,
        destination: probe.destination,
    };
    Stopped {
        flow: Some(flow),
        spot: spot(1, "c", rule),
    }
}

fn from_port(mut probe: Probe, port: u16) -> Probe {
    probe.source = SocketAddr::new(probe.source.ip(), port);
    probe
}

#[test]
fn a_probe_that_was_seen_to_be_stopped_waits_no_longer() {
    let lab = Lab::new();
    lab.rules(DROP);
    let probes = [
        from_port(inbound(Protocol::Udp, USER, HOST, 53), 1053),
        from_port(inbound(Protocol::Udp, USER_V6, HOST_V6, 53), 1054),
        inbound(Protocol::Icmp, USER, HOST, 0),
        inbound(Protocol::Tcp, USER, HOST, 22),
    ];
    let seen = probes[..3].iter().enumerate();
    let seen = seen.map(|(place, probe)| stopped(probe, place + 1));
    let mut witness = Scripted(seen.collect());
    let answers = waits(run(&probes, &lab.server, &lab.world, NEVER, &mut witness));
    for (place, answer) in answers[..3].iter().enumerate() {
        assert_eq!(answer.outcome, Silence);
        assert_eq!(answer.spot, Some(spot(1, "c", place + 1)));
    }
    assert_eq!(answers[3].outcome, Answered);
}

#[test]
fn rejections_have_their_rule_and_answers_have_none() {
    let lab = Lab::new();
    lab.rules(DROP);
    let probes = [
        from_port(inbound(Protocol::Tcp, USER, HOST, 81), 1081),
        from_port(inbound(Protocol::Tcp, USER, HOST, 22), 1022),
        from_port(inbound(Protocol::Tcp, USER, HOST, 80), 1080),
    ];
    let mut seen: VecDeque<_> = [stopped(&probes[0], 3), stopped(&probes[1], 9)].into();
    // The first rule counts, and one behind NAT is known by its source.
    let mut led = stopped(&probes[2], 2);
    if let Some(flow) = &mut led.flow {
        flow.destination = address(HOST, 8080);
    }
    seen.extend([led, stopped(&probes[2], 7)]);
    let answers = waits(run(
        &probes,
        &lab.server,
        &lab.world,
        DEADLINE,
        &mut Scripted(seen),
    ));
    let told: Vec<_> = answers
        .into_iter()
        .map(|answer| (answer.outcome, answer.spot))
        .collect();
    assert_eq!(told[0], (Rejected, Some(spot(1, "c", 3))));
    assert_eq!(told[1], (Answered, None));
    assert_eq!(told[2], (Silence, Some(spot(1, "c", 2))));
}

#[test]
fn rules_that_stop_neighbours_are_told_to_those_they_silence() {
    let lab = Lab::new();
    lab.rules(DROP);
    let probes = [
        inbound(Protocol::Udp, USER, HOST, 53),
        inbound(Protocol::Udp, USER_V6, HOST_V6, 53),
        inbound(Protocol::Tcp, USER_V6, HOST_V6, 22),
        from_port(inbound(Protocol::Tcp, USER, HOST, 80), 1080),
    ];
    let neighbours = [spot(3, "arp", 1), spot(10, "discovery", 2)];
    let mut seen: VecDeque<_> = neighbours
        .into_iter()
        .map(|spot| Stopped { flow: None, spot })
        .collect();
    seen.push_back(stopped(&probes[3], 5));
    let answers = waits(run(
        &probes,
        &lab.server,
        &lab.world,
        DEADLINE,
        &mut Scripted(seen),
    ));
    let spots: Vec<_> = answers.into_iter().map(|answer| answer.spot).collect();
    let expected = [
        Some(spot(3, "arp", 1)),
        Some(spot(10, "discovery", 2)),
        None,
        Some(spot(1, "c", 5)),
    ];
    assert_eq!(spots, expected);
}

#[test]
fn host_unreachable_from_the_sender_itself_is_a_rejection_only_where_a_rule_was_seen() {
    let lab = Lab::new();
    lab.rules("table inet filter {\n chain c {\n type filter hook output priority 0;\n oif eth0 reject with icmpx type host-unreachable;\n }\n}\n");
    let probes: Vec<_> = [(Protocol::Tcp, 443, 1443), (Protocol::Udp, 53, 1053)]
        .into_iter()
        .flat_map(|(protocol, port, from)| {
            let probe = outbound(protocol, HOST, SITE, port);
            [from_port(probe.clone(), from), from_port(probe, from + 1)]
        })
        .collect();
    let seen = [stopped(&probes[0], 1), stopped(&probes[2], 1)];
    let mut witness = Scripted(seen.into());
    let answers = waits(run(
        &probes,
        &lab.server,
        &lab.world,
        DEADLINE,
        &mut witness,
    ));
    let outcomes: Vec<_> = answers.into_iter().map(|answer| answer.outcome).collect();
    assert_eq!(outcomes, [Rejected, Silence, Rejected, Silence]);
}

#[test]
fn the_rule_that_ends_the_session_is_told() {
    let lab = Lab::new();
    waits(async {
        let (client, server) = (address(USER, 1022), address(HOST, 22));
        let opened = OldSession::open(&lab.world, client, server, Some("out0"), DEADLINE).await;
        let mut session = opened.unwrap();
        lab.rules("table inet filter {\n chain c {\n type filter hook input priority 0; policy drop;\n }\n}\n");
        let flow = Some(session.flow());
        let seen = Stopped {
            flow,
            spot: spot(1, "c", 4),
        };
        let other = Stopped {
            flow: Some(Flow {
                source: address(USER, 1),
                ..session.flow()
            }),
            spot: spot(1, "c", 8),
        };
        let mut witness = Scripted([other, seen].into());
        let answer = session.is_alive(DEADLINE, &mut witness).await;
        assert_eq!(answer.flow, session.flow());
        assert_eq!(
            (answer.outcome, answer.spot),
            (Silence, Some(spot(1, "c", 4)))
        );
    });
}
