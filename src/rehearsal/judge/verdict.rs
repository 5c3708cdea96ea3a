//! What follows for the user: the verdict, and what to add.

use std::net::IpAddr;

use super::super::plan::Ask;
use super::super::report::{Remedy, Requirement, Session, Standing, Verdict};
use super::super::source::{self, Sources};
use super::super::{Flow, Protocol};
use crate::candidate::Kind;

/// Stands for the port of a new connection.
const EPHEMERAL_PORT: u16 = 50_022;

/// Whether all of `standings` are open; `None` where that is not known.
pub(super) fn met(standings: &[(IpAddr, Standing)]) -> Option<bool> {
    if standings.iter().any(|(_, one)| is_closed(one)) {
        return Some(false);
    }
    let open = |(_, one): &(IpAddr, Standing)| *one == Standing::Open;
    (!standings.is_empty() && standings.iter().all(open)).then_some(true)
}

pub(super) fn verdict(session: Option<&Session>, requirements: &[Requirement]) -> Verdict {
    let parts = session.map_or_else(Vec::new, |session| vec![&session.old, &session.login]);
    if parts.iter().any(|one| is_closed(one)) {
        Verdict::Lockout
    } else if requirements.iter().any(|one| one.met == Some(false)) {
        Verdict::Unmet
    } else if session.is_none() || parts.iter().any(|one| **one != Standing::Open) {
        Verdict::Unknown
    } else {
        Verdict::Safe
    }
}

/// What to add, from what stopped the login, or else the session.
pub(super) fn remedy(
    login: &Standing,
    old: &Standing,
    ask: &Ask,
    sources: &Sources,
    kinds: &[Kind],
) -> Option<Remedy> {
    let decision = |standing: &Standing| match standing {
        Standing::Rejected { by } | Standing::Blocked { by } => by.clone(),
        Standing::Open | Standing::NotRehearsed { .. } => None,
    };
    let decision = decision(login).or_else(|| decision(old))?;
    source::remedy(&decision, Some(&flow(ask)), is_closed(old), sources, kinds)
}

const fn is_closed(standing: &Standing) -> bool {
    matches!(
        standing,
        Standing::Blocked { .. } | Standing::Rejected { .. }
    )
}

/// The first packet that `ask` sends, with a port that a new connection may have.
fn flow(ask: &Ask) -> Flow {
    let mut source = ask.probe.source;
    if source.port() == 0 && ask.probe.protocol != Protocol::Icmp {
        source.set_port(EPHEMERAL_PORT);
    }
    Flow {
        protocol: ask.probe.protocol,
        source,
        destination: ask.probe.destination,
    }
}
