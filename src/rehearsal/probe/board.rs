//! Which rule stopped which probe.

use tokio::sync::watch;

use super::super::Flow;
use super::super::decide::{Spot, Stopped};
use super::dialogue::Seen;
use super::{Answer, Outcome, Side};

/// A probe that is under way.
#[derive(Debug)]
pub(super) struct Entry {
    flow: Flow,
    spot: Option<Spot>,
    stopped: watch::Sender<bool>,
}

/// All probes, and what was seen of them.
#[derive(Debug, Default)]
pub(super) struct Board {
    entries: Vec<Entry>,
    /// Rules that stop ARP or neighbour discovery.
    neighbours: Vec<Stopped>,
}

impl Board {
    /// Adds a probe; entries are numbered from 0. Tells when a packet of it was stopped.
    pub(super) fn add(&mut self, flow: Flow) -> watch::Receiver<bool> {
        let (stopped, receiver) = watch::channel(false);
        self.entries.push(Entry {
            flow,
            spot: None,
            stopped,
        });
        receiver
    }

    /// Takes down what a witness saw. The first rule counts: the others had only to do with
    /// packets that were sent because of that.
    pub(super) fn note(&mut self, seen: Stopped) {
        let Some(flow) = seen.flow else {
            self.neighbours.push(seen);
            return;
        };
        let exact = |entry: &Entry| same(&entry.flow, &flow);
        // NAT may have changed the destination before the rule: the source port is still this probe's alone.
        let from = |entry: &Entry| {
            flow.source.port() != 0
                && entry.flow.protocol == flow.protocol
                && (entry.flow.source.ip(), entry.flow.source.port())
                    == (flow.source.ip(), flow.source.port())
        };
        let found: Vec<usize> = self.numbers(exact);
        let found = if found.is_empty() {
            Some(self.numbers(from)).filter(|found| found.len() == 1)
        } else {
            Some(found)
        };
        for number in found.unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.spot.get_or_insert_with(|| seen.spot.clone());
                entry.stopped.send_replace(true);
            }
        }
    }

    fn numbers(&self, which: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let numbered = self.entries.iter().enumerate();
        numbered
            .filter(|(_, entry)| which(entry))
            .map(|(number, _)| number)
            .collect()
    }

    /// Whether the rule that stopped it is known.
    pub(super) fn is_explained(&self, number: usize) -> bool {
        self.entries
            .get(number)
            .is_some_and(|entry| entry.spot.is_some())
    }

    /// The answer of a probe; `expected` is the side that its destination is on.
    pub(super) fn answer(&self, number: usize, seen: &Seen, expected: Side) -> Option<Answer> {
        let entry = self.entries.get(number)?;
        let outcome = outcome(seen, expected, entry.spot.is_some());
        let spot = match outcome {
            Outcome::Answered | Outcome::Unsent(_) => None,
            Outcome::Rejected => entry.spot.clone(),
            Outcome::Silence => entry.spot.clone().or_else(|| self.neighbour(&entry.flow)),
        };
        Some(Answer {
            flow: entry.flow,
            outcome,
            spot,
            queued: false,
        })
    }

    fn neighbour(&self, flow: &Flow) -> Option<Spot> {
        let stopped = self.neighbours.iter().find(|one| one.concerns(flow))?;
        Some(stopped.spot.clone())
    }
}

fn outcome(seen: &Seen, expected: Side, explained: bool) -> Outcome {
    match seen {
        Seen::Echoed => Outcome::Answered,
        Seen::Answered(side) if *side == expected => Outcome::Answered,
        Seen::Answered(Side::World) => {
            Outcome::Unsent("NAT leads it to another host, which was not rehearsed".to_owned())
        }
        Seen::Answered(Side::Host) => {
            Outcome::Unsent("NAT leads it to this host itself".to_owned())
        }
        Seen::Rejected => Outcome::Rejected,
        // These words are a rule's only where a rule was seen.
        Seen::Unreachable if explained => Outcome::Rejected,
        Seen::Unreachable | Seen::Silence => Outcome::Silence,
        Seen::Failed(reason) => Outcome::Unsent(reason.clone()),
    }
}

/// Addresses and ports only: the scope of an address is not in a packet.
fn same(one: &Flow, other: &Flow) -> bool {
    one.protocol == other.protocol
        && one.source.ip() == other.source.ip()
        && one.source.port() == other.source.port()
        && one.destination.ip() == other.destination.ip()
        && one.destination.port() == other.destination.port()
}
