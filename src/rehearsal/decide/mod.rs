//! Which rule decided about a packet.
//!
//! While a [`Tracer`] is installed, nf_tables tells packet by packet, and legacy tables do in the
//! log. Where a kernel cannot, no rule is named.

mod attribution;
mod legacy_places;
mod legacy_table;
mod legacy_trace;
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
}
