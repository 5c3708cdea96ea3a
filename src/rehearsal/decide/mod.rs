//! Which rule decided about a packet.
//!
//! nf_tables tells, packet by packet, while a [`Tracer`] is installed. Legacy tables do not:
//! there the [`Counters`] before and after a single probe tell. [`deciding`] weighs both.

mod attribution;
mod counted;
mod counters;
mod legacy_places;
mod legacy_trace;
mod moves;
mod packet;
mod places;
mod trace;
mod trace_message;
mod trace_socket;
mod trace_table;

use serde::{Deserialize, Serialize};

use super::Flow;
use crate::checkpoint::Part;
use crate::legacy::Family;

pub use counters::Counters;
pub use trace::{Error, Tracer};
pub use trace_table::is_tracing;

const NFPROTO_INET: u8 = 1;
const NFPROTO_ARP: u8 = 3;
const NFPROTO_IPV6: u8 = 10;

/// The rule, or the policy, that ended a packet's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The table: [`Part::Nft`] or [`Part::Legacy`].
    #[serde(with = "super::report::place")]
    pub part: Part,
    /// The chain.
    pub chain: String,
    /// The rule's place in the chain, from 1; `None` is the chain's policy.
    pub rule: Option<usize>,
    /// Whether the packet was one of those sent in answer.
    pub reply: bool,
}

/// A packet of a flow that came to its end in the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The flow as it was begun, whichever of its packets this is; `None` for ARP and
    /// neighbour discovery, without which no flow gets anywhere.
    pub flow: Option<Flow>,
    /// Where.
    pub spot: Spot,
}

impl Stopped {
    /// Whether `flow` cannot get anywhere for this: one of its packets was stopped, or, where
    /// it was ARP or neighbour discovery, one that its version of IP needs.
    #[must_use]
    pub fn concerns(&self, flow: &Flow) -> bool {
        if let Some(stopped) = self.flow {
            return stopped == *flow;
        }
        let is_v4 = flow.destination.ip().to_canonical().is_ipv4();
        match &self.spot.part {
            Part::Nft(table) => match table.family {
                NFPROTO_ARP => is_v4,
                NFPROTO_INET | NFPROTO_IPV6 => !is_v4,
                // On ingress and on bridges there are both.
                _ => true,
            },
            Part::Legacy(family, _) => (*family == Family::V4) == is_v4,
            Part::Set(_) => false,
        }
    }
}

/// The rule that decided about `flow`, which got no answer: `traced` is what was stopped while
/// it was tried, in order, `counted` what the counters of legacy tables say, if there are any.
///
/// A rule that stopped the first packets comes before one that stopped answers, as a target
/// that rejects sends an answer of its own; what nf_tables told comes before what is concluded
/// from counters; and address resolution, which need not have failed for good, is last.
#[must_use]
pub fn deciding(flow: &Flow, traced: &[Stopped], counted: Option<&Spot>) -> Option<Spot> {
    let own = traced.iter().filter(|one| one.flow.as_ref() == Some(flow));
    let neighbours = traced
        .iter()
        .filter(|one| one.flow.is_none() && one.concerns(flow));
    let packets = own.map(|one| &one.spot).chain(counted);
    let question = packets.clone().find(|spot| !spot.reply);
    let any = question.or_else(|| packets.clone().next());
    any.or_else(|| neighbours.map(|one| &one.spot).next())
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::super::Protocol;
    use super::*;
    use crate::nftables::TableId;

    fn flow(destination: &str) -> Flow {
        Flow {
            protocol: Protocol::Tcp,
            source: "192.0.2.1:5".parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    fn spot(family: u8, reply: bool) -> Spot {
        let name = "f".to_owned();
        Spot {
            part: Part::Nft(TableId { family, name }),
            chain: "c".to_owned(),
            rule: Some(1),
            reply,
        }
    }

    fn stopped(flow: Option<Flow>, family: u8, reply: bool) -> Stopped {
        let spot = spot(family, reply);
        Stopped { flow, spot }
    }

    #[test]
    fn address_resolution_concerns_its_own_version_of_ip() {
        let (v4, v6) = (flow("192.0.2.2:22"), flow("[2001:db8::2]:22"));
        for (family, concerned) in [
            (3, [true, false]),
            (1, [false, true]),
            (10, [false, true]),
            (5, [true, true]),
        ] {
            let one = stopped(None, family, false);
            assert_eq!(
                [one.concerns(&v4), one.concerns(&v6)],
                concerned,
                "{family}"
            );
        }
        assert!(stopped(Some(v4), 1, false).concerns(&v4));
        assert!(!stopped(Some(v4), 1, false).concerns(&flow("192.0.2.2:23")));
    }

    #[test]
    fn what_stopped_the_question_decides() {
        let mine = flow("192.0.2.2:22");
        let other = stopped(Some(flow("192.0.2.2:23")), 1, false);
        let arp = stopped(None, 3, false);
        let answer = stopped(Some(mine), 2, true);
        let question = stopped(Some(mine), 1, false);
        let legacy = |reply| Spot {
            part: Part::Legacy(Family::V4, "filter".to_owned()),
            ..spot(0, reply)
        };
        let (asked, answered) = (legacy(false), legacy(true));
        let by = |traced: &[&Stopped], counted| {
            let traced: Vec<Stopped> = traced.iter().copied().cloned().collect();
            deciding(&mine, &traced, counted)
        };
        assert_eq!(by(&[&other], None), None);
        assert_eq!(by(&[&arp, &other], None), Some(arp.spot.clone()));
        assert_eq!(
            by(&[&arp, &answer, &question], None),
            Some(question.spot.clone())
        );
        assert_eq!(by(&[&answer], Some(&asked)), Some(asked.clone()));
        assert_eq!(by(&[&answer], Some(&answered)), Some(answer.spot.clone()));
        assert_eq!(by(&[&arp], Some(&answered)), Some(answered.clone()));
    }
}
