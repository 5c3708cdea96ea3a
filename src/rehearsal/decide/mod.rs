//! Which rule decided about a packet.

mod attribution;
mod packet;
mod places;
mod trace;
mod trace_message;
mod trace_table;

use serde::{Deserialize, Serialize};

use super::Flow;
use crate::checkpoint::Part;

pub use trace::{Error, Tracer};
pub use trace_table::is_tracing;

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
