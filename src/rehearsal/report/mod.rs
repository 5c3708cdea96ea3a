//! What a rehearsal found, for people and for scripts.

mod decision;
mod fold;
mod grid;
mod json;
mod needs;
mod page;
pub mod place;
mod render;
mod rest;
mod services;
mod session;
mod standing;
mod stops;
mod text;
mod words;

pub use json::line;
pub use page::Look;
pub use render::render;
pub use words::Asked;

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Protocol;
use super::decide::Spot;

/// All that a rehearsal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What follows from it.
    pub verdict: Verdict,
    /// The connection that the user sits on; `None` where there is none.
    pub session: Option<Session>,
    /// What listens on this host, and what the host itself needs, one row for each peer.
    pub rows: Vec<Row>,
    /// What was required.
    pub requirements: Vec<Requirement>,
    /// Whether the checkpoint was restored over the candidate and found equal; `None` for rules
    /// that are live already.
    pub way_back: Option<bool>,
    /// What the user may want to change.
    pub advice: Vec<Advice>,
    /// What was not rehearsed, and why.
    pub not_rehearsed: Vec<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// What follows from a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The user gets in, and everything required is open.
    Safe,
    /// The user would be locked out.
    Lockout,
    /// Something required is blocked.
    Unmet,
    /// Whether the user gets in could not be rehearsed.
    Unknown,
}

/// How something stands under a ruleset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// Data went both ways.
    Open,
    /// Refused with an answer (REJECT).
    Rejected {
        /// By which rule.
        by: Option<Decision>,
    },
    /// Dropped without a word.
    Blocked {
        /// By which rule.
        by: Option<Decision>,
    },
    /// Not known.
    NotRehearsed {
        /// Why.
        reason: String,
    },
}

/// The rule, or the policy, that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Where in the rules.
    pub spot: Spot,
    /// The rule or policy in words of its own language.
    pub text: String,
    /// The file that it stands in, as the user named it; `None` where it is not the candidate's.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
}

/// The connection that the user sits on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The user's end.
    pub peer: SocketAddr,
    /// This host's end, as the user dials it.
    pub local: SocketAddr,
    /// The interface that it comes in by.
    pub interface: Option<String>,
    /// The session that is open now, after the change.
    pub old: Standing,
    /// A new login from the same place before the change; `None` for rules that are live already.
    pub login_before: Option<Standing>,
    /// A new login from the same place after the change.
    pub login: Standing,
    /// What to add so that the user gets in.
    pub remedy: Option<Remedy>,
}

/// A line to paste.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The lines, in the candidate's language.
    pub lines: Vec<String>,
    /// Where they go, such as `before line 12 of rules.v4`.
    pub place: String,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The user's address.
    You,
    /// An address that no rule should know.
    Stranger,
    /// An address that a requirement names.
    Named,
    /// This host itself, over `lo`.
    Loopback,
}

/// Which way the first packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To this host.
    In,
    /// From this host.
    Out,
}

/// One line of the table of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Which way.
    pub direction: Direction,
    /// How.
    pub protocol: Protocol,
    /// The port that is dialled; 0 for ICMP.
    pub port: u16,
    /// This host's address.
    pub local: IpAddr,
    /// Who is at the other end.
    pub peer: Peer,
    /// The other end's address.
    pub peer_address: IpAddr,
    /// The program that listens, or what the host needs it for.
    pub what: Option<String>,
    /// Under the rules that are live now; `None` when those are what was asked about.
    pub before: Option<Standing>,
    /// Under the candidate, or under the live rules when those were asked about.
    pub after: Standing,
}

/// Something that has to be open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// As it was written.
    pub text: String,
    /// Whether it is; `None`: not rehearsed.
    pub met: Option<bool>,
    /// How it stands, for each address family that was tried.
    pub standings: Vec<(IpAddr, Standing)>,
}

/// What the user may want to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The file, as the user named it.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// What, and what to do about it.
    pub message: String,
}

impl Advice {
    /// About this host, and no line of a file.
    #[must_use]
    pub const fn of_host(message: String) -> Self {
        Self {
            file: None,
            line: None,
            message,
        }
    }
}
