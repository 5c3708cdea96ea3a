//! What the user may want to change about a candidate that loads.

mod address;
mod backends;
mod default;
mod discovery;
mod doubled;
mod established;
mod families;
mod interfaces;
mod loopback;
mod programs;
mod shadow;
mod study;

use std::net::SocketAddr;

use super::host::Host;
use super::report::Advice;
use super::source::Sources;
use crate::candidate::Candidate;
use crate::checkpoint::Snapshot;
use study::{Piece, Study};

/// How many pieces are given at most.
pub const PIECES: usize = 20;

/// What advice is given about.
#[derive(Debug, Clone, Copy)]
pub struct Advised<'a> {
    /// The files; none where the live rules are asked about.
    pub candidates: &'a [Candidate],
    /// Their rules.
    pub sources: &'a Sources,
    /// The rules that are live.
    pub checkpoint: &'a Snapshot,
    /// The rules as they are after the change; the live ones where nothing changes.
    pub compiled: &'a Snapshot,
    /// This host.
    pub host: &'a Host,
    /// Whether the candidates are meant to add to what is there.
    pub noflush: bool,
    /// The user's end and this host's end of the connection that the user sits on.
    pub session: Option<(SocketAddr, SocketAddr)>,
}

/// Advice, the most important first.
#[must_use]
pub fn advise(input: &Advised<'_>) -> Vec<Advice> {
    let study = Study::new(input);
    let mut pieces: Vec<Piece> = [
        loopback::advise,
        established::advise,
        discovery::advise,
        programs::advise,
        families::advise,
        doubled::advise,
        interfaces::advise,
        address::advise,
        backends::advise,
        shadow::advise,
        default::advise,
    ]
    .into_iter()
    .flat_map(|topic: fn(&Study<'_>) -> Vec<Piece>| topic(&study))
    .collect();
    pieces.sort_by_key(|piece| piece.weight);
    pieces.truncate(PIECES);
    pieces.into_iter().map(|piece| piece.advice).collect()
}
