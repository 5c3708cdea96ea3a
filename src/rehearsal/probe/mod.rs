//! Packets through the rules: who gets an answer.
//!
//! An [`Audience`] listens and answers in one namespace, [`run`] sends probes at it from the
//! other, an [`OldSession`] stays open while rules change. All of it is sockets of this
//! process: a socket keeps the namespace that it was made in.
//!
//! The namespaces have to be ready: links that carry packets, IPv6 addresses with their route in
//! table `local` (before that, also with `IFA_F_NODAD`, neighbour discovery finds nobody, and asks
//! again only after a second), no limits on ICMP errors (`icmp_ratelimit`, `icmp_ratemask`: of many rejected probes
//! most would see silence), and a `ping_group_range` with everybody in it.

mod board;
mod converse;
mod dialogue;
mod errors;
mod listen;
mod patience;
mod ports;
mod run;
mod session;
mod sockets;
mod speech;
mod user;
mod wire;

use std::future::{self, Future};
use std::net::SocketAddr;

pub use listen::{Audience, Missing, Wanted};
pub use ports::port_within;
pub use run::{DEADLINE, run};
pub use session::OldSession;

use super::decide::{Spot, Stopped};
use super::{Flow, Protocol};

/// Where a probe starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Out in the world, towards this host.
    World,
    /// On this host.
    Host,
}

/// One question to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is sent.
    pub protocol: Protocol,
    /// Where it starts.
    pub side: Side,
    /// The sender's address; port 0: one that a new connection would have.
    pub source: SocketAddr,
    /// Whom it is sent to.
    pub destination: SocketAddr,
    /// The interface of the world that it leaves by, so that it enters the host by the
    /// right one; `None` on the host.
    pub device: Option<String>,
    /// The user that sends it, where it starts on the host.
    pub uid: u32,
}

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As it was sent; the source port is known now.
    pub flow: Flow,
    /// What the sender saw.
    pub outcome: Outcome,
    /// The rule that stopped it, where it was seen.
    pub spot: Option<Spot>,
    /// Whether a rule handed a packet of it to a program, where that was seen.
    pub queued: bool,
}

/// What the sender of a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Data went there and came back.
    Answered,
    /// It was told that it may not (TCP reset, ICMP error).
    Rejected,
    /// Nothing came back.
    Silence,
    /// It could not be sent at all: why.
    Unsent(String),
}

/// Who sees packets come to their end in the rules.
pub trait Witness {
    /// The next packet that was stopped; pending while none is. Cancel safe: what a dropped
    /// future has not returned, the next one does.
    fn next(&mut self) -> impl Future<Output = Stopped>;
}

/// A witness that sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwitnessed;

impl Witness for Unwitnessed {
    fn next(&mut self) -> impl Future<Output = Stopped> {
        future::pending()
    }
}

impl Witness for super::decide::Tracer {
    fn next(&mut self) -> impl Future<Output = Stopped> {
        Self::next(self)
    }
}
