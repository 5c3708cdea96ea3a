//! Rehearsal: the rules are loaded into a scratch network namespace that looks like this
//! host, and real packets are sent through them. The verdict is the kernel's own.

pub mod advice;
pub mod anatomy;
mod baseline;
pub mod conntrack;
pub mod decide;
pub mod host;
mod judge;
pub mod limits;
pub mod locate;
mod plan;
pub mod probe;
mod refusal;
mod rehearse;
pub mod report;
pub mod requirement;
mod scene;
pub mod source;
pub mod stage;
mod strangers;
mod subject;
mod you;

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use subject::{Subject, Wishes, rehearse};
pub use you::Asked;

/// What a probe is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A connection that carries data both ways.
    Tcp,
    /// A datagram that is answered.
    Udp,
    /// An echo request (`ICMP` or `ICMPv6`).
    Icmp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        })
    }
}

/// The first packet of a probe, as its sender sends it. Ports are 0 for ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// The protocol.
    pub protocol: Protocol,
    /// Who sends the first packet.
    pub source: SocketAddr,
    /// Whom it is sent to.
    pub destination: SocketAddr,
}
