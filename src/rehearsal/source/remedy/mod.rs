//! What to add so that a packet gets past the rule that stopped it.

mod iptables;
mod nft;

use std::net::IpAddr;

use super::layout::Detail;
use super::{SourceRule, Sources};
use crate::candidate::Kind;
use crate::checkpoint::Part;
use crate::rehearsal::Flow;
use crate::rehearsal::decide::Spot;
use crate::rehearsal::report::{Decision, Remedy};

/// What has to be let through.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    /// The first packet of the new login, whose destination is this host; `None` for ARP and
    /// neighbour discovery.
    flow: Option<&'a Flow>,
    /// Whether it was an answer that was stopped.
    reply: bool,
    /// Whether sessions that are there already were stopped too.
    established: bool,
}

impl Wanted<'_> {
    /// One rule for answers and open connections, `established`, where the chain knows `states`;
    /// and one of `accept` (which is told whether it is for answers) for what that does not let through.
    fn rules(
        self,
        states: bool,
        established: &str,
        accept: impl Fn(bool) -> String,
    ) -> Vec<String> {
        let mut rules = Vec::new();
        if states && (self.reply || self.established) {
            rules.push(established.to_owned());
        }
        if !states || !self.reply {
            rules.push(accept(self.reply));
        }
        rules
    }

    /// The user's address.
    fn peer(flow: &Flow) -> IpAddr {
        flow.source.ip().to_canonical()
    }
}

/// The lines that let a new login through (and the old session, if that died), in the language of
/// the rule or policy that decided, and where they go.
///
/// `flow`: the login's first packet, from the user to this host; `None` where ARP or neighbour
/// discovery was stopped. `kinds`: what the candidates are. `None` where no line of that table can
/// help. It may take another one for the rule that decides then.
#[must_use]
pub fn remedy(
    decision: &Decision,
    flow: Option<&Flow>,
    old_session_died: bool,
    sources: &Sources,
    kinds: &[Kind],
) -> Option<Remedy> {
    let wanted = Wanted {
        flow,
        reply: decision.spot.reply,
        established: old_session_died,
    };
    if speaks_iptables(decision, sources) {
        iptables::remedy(decision, wanted, sources, kinds)
    } else {
        nft::remedy(decision, wanted, sources, kinds)
    }
}

/// Whether the deciding rule is one of iptables', not of nft.
fn speaks_iptables(decision: &Decision, sources: &Sources) -> bool {
    let part = &decision.spot.part;
    match part {
        Part::Legacy(..) => true,
        Part::Set(_) => false,
        Part::Nft(_) if decision.text.is_empty() => sources
            .layouts
            .sections
            .iter()
            .any(|section| section.part == *part),
        Part::Nft(_) => decision.text.starts_with('-'),
    }
}

/// The rule of a file that decided.
fn located<'a>(decision: &Decision, sources: &'a Sources) -> Option<(&'a SourceRule, Detail)> {
    decision.spot.rule?;
    let (file, line) = (decision.file.as_deref()?, decision.line?);
    let at = sources
        .rules
        .iter()
        .position(|rule| rule.line == line && rule.file == file && rule.text == decision.text)?;
    let rule = sources.rules.get(at)?;
    Some((rule, *sources.layouts.details.get(at)?))
}

/// The index of the policy of a file that decided.
fn policy(spot: &Spot, sources: &Sources) -> Option<usize> {
    match spot.rule {
        Some(_) => None,
        None => sources.policy(&spot.part, &spot.chain),
    }
}

fn before(line: usize, file: &str) -> String {
    format!("before line {line} of {file}")
}

fn after(line: usize, file: &str) -> String {
    format!("after line {line} of {file}")
}

/// Where a command goes; `given`: whether there is a file that could hold such a rule.
fn as_command(given: bool) -> String {
    let why = if given {
        "what stops it is not in the files that were given"
    } else {
        "no file that was given holds rules of this kind"
    };
    format!("as a command: {why}")
}
