//! Following packets through the rules of a namespace.
//!
//! The kernel tells of every nf_tables rule that matches a traced packet, and of the policy
//! that it meets (`NFNLGRP_NFTRACE`): of native rules and of those of iptables-nft. Legacy
//! tables tell of the same packets in the log. Tracing changes no verdict.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::io;

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

use super::super::Flow;
use super::attribution::{Attribution, Belongs, plain};
use super::legacy_places::{Fate, LegacyPlaces};
use super::legacy_trace::Arrival;
use super::places::Places;
use super::trace_message::{Outcome, Step};
use super::trace_socket::Sockets;
use super::trace_table::{Gate, Tables, gate, is_tracing};
use super::{Spot, Stopped};
use crate::checkpoint::Part;
use crate::legacy;
use crate::netlink::Socket;
use crate::netns::NetNs;
use crate::nftables::{self, Ruleset, is_stand_in};

/// Why packets cannot be traced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespace could not be entered.
    #[error("the network namespace could not be entered: {0}")]
    Namespace(#[from] io::Error),
    /// The kernel did not take the tables, or has no nf_tables.
    #[error("packets cannot be traced: {0}")]
    Tables(#[from] nftables::Error),
    /// The socket for what is traced could not be made.
    #[error("packets cannot be traced: {0}")]
    Socket(#[from] Errno),
}

/// Traces all packets of a namespace. The tables that it takes for this belong to it, so
/// that they are in no capture ([`Ruleset::owned`]) and go with it.
#[derive(Debug)]
pub struct Tracer {
    tables: Tables,
    sockets: Sockets,
    places: Places,
    legacy: LegacyPlaces,
    flows: Attribution,
    found: VecDeque<Stopped>,
    queued: BTreeSet<Flow>,
    lost: bool,
}

impl Tracer {
    /// Starts to trace what enters and what leaves `server`: IP of both versions, ARP, and
    /// already on ingress what comes in by `devices`, if all of them exist there.
    ///
    /// # Errors
    /// [`Error`]; then nothing is left behind.
    pub fn install(server: &NetNs, devices: &[String]) -> Result<Self, Error> {
        server.enter(|| Self::here(devices))?
    }

    fn here(devices: &[String]) -> Result<Self, Error> {
        let sockets = Sockets::open()?;
        let socket = Socket::open(NETFILTER).map_err(nftables::Error::from)?;
        Ok(Self {
            tables: Tables::make(socket, devices)?,
            sockets,
            places: Places::default(),
            legacy: LegacyPlaces::default(),
            flows: Attribution::default(),
            found: VecDeque::new(),
            queued: BTreeSet::new(),
            lost: false,
        })
    }

    /// The rules that packets meet from now on, as captured in the namespace after they were
    /// brought there. Packets that were stopped before were stopped by those known before.
    pub fn rules(&mut self, ruleset: &Ruleset, tables: &legacy::Tables) {
        self.collect();
        self.places = Places::of(ruleset);
        self.legacy = LegacyPlaces::of(tables);
    }

    /// Makes a flow known before its first packet is seen; without this, the first packet
    /// tells which way the flow was begun.
    pub fn expect(&mut self, flow: Flow) {
        self.flows.expect(flow);
    }

    /// The next packet that was stopped; pending while there is none. Nothing is lost when
    /// it is dropped while pending. Needs a runtime with I/O.
    pub async fn next(&mut self) -> Stopped {
        loop {
            self.collect();
            if let Some(stopped) = self.found.pop_front() {
                return stopped;
            }
            if self.sockets.readable().await.is_err() {
                self.lost = true;
                pending::<()>().await;
            }
        }
    }

    /// All packets that were stopped up to now and not yet told of.
    pub fn drain(&mut self) -> Vec<Stopped> {
        self.collect();
        self.found.drain(..).collect()
    }

    /// Whether the kernel told of more than could be kept, or of a rule that is not in the
    /// ruleset of [`Tracer::rules`]: there may be packets that were stopped and never told of.
    #[must_use]
    pub const fn has_lost(&self) -> bool {
        self.lost
    }

    /// Whether a packet of `flow` was handed to a program (`queue`, `NFQUEUE`): what that
    /// would say on the host is not known here, where none listens.
    pub fn has_queued(&mut self, flow: Flow) -> bool {
        self.collect();
        self.queued.contains(&plain(flow))
    }

    /// Whether legacy tables are heard too, where the kernel was built to have them traced.
    #[must_use]
    pub const fn hears_legacy(&self) -> bool {
        self.sockets.hears_legacy()
    }

    /// Stops to trace; returns what was stopped up to now and not yet told of.
    ///
    /// # Errors
    /// What the kernel says to taking the tables away. Those that belong to this tracer go
    /// with it all the same.
    pub fn remove(mut self) -> Result<Vec<Stopped>, Error> {
        let rest = self.drain();
        self.tables.remove()?;
        Ok(rest)
    }

    /// Reads all that the kernel has told.
    fn collect(&mut self) {
        let told = self.sockets.read();
        self.lost |= told.lost;
        let mut found = Vec::new();
        found.extend(told.steps.iter().filter_map(|step| self.follow(step)));
        found.extend(told.arrivals.iter().filter_map(|one| self.arrive(one)));
        // A rule that rejects sends an answer, which may be stopped by rules that are heard first.
        found.sort_by_key(|stopped| stopped.spot.reply);
        self.found.extend(found);
    }

    fn follow(&mut self, step: &Step) -> Option<Stopped> {
        let gate = is_tracing(&step.table).then(|| gate(&step.table, &step.chain));
        if let Some(packet) = step.packet {
            self.flows.see(step.id, gate == Some(Gate::First), packet);
        }
        let belongs = self.flows.of(step.id);
        match step.outcome {
            Outcome::On => {
                if gate == Some(Gate::Last) {
                    self.flows.forget(step.id);
                }
                return None;
            }
            Outcome::Dropped => {}
            Outcome::Queued { bypass } => {
                self.note_queued(belongs);
                if bypass {
                    return None;
                }
            }
            Outcome::Stolen => {
                let answers = |handle| self.places.answers(&step.table, &step.chain, handle);
                if step.rule.is_some_and(answers) {
                    return None;
                }
            }
        }
        self.flows.forget(step.id);
        // While rules are replaced, a copy stands in for them: no rule of anybody's.
        if is_stand_in(&step.table) || belongs == Belongs::Nowhere {
            return None;
        }
        let (chain, rule) = match step.rule {
            None => (step.chain.clone(), None),
            Some(handle) => match self.places.find(&step.table, &step.chain, handle) {
                Some((chain, number)) => (chain, Some(number)),
                None => {
                    self.lost = true;
                    return None;
                }
            },
        };
        stopped(belongs, Part::Nft(step.table.clone()), &chain, rule)
    }

    fn arrive(&mut self, one: &Arrival) -> Option<Stopped> {
        let belongs = self.flows.attribute(one.packet);
        if belongs == Belongs::Nowhere {
            return None;
        }
        let (rule, fate) = match self
            .legacy
            .find(one.family, &one.table, &one.chain, one.number)
        {
            Some(found) => found,
            None => {
                self.lost = true;
                return None;
            }
        };
        match fate {
            Fate::On => return None,
            Fate::Stopped => {}
            Fate::Queued { bypass } => {
                self.note_queued(belongs);
                if bypass {
                    return None;
                }
            }
        }
        let part = Part::Legacy(one.family, one.table.clone());
        stopped(belongs, part, &one.chain, rule)
    }

    fn note_queued(&mut self, belongs: Belongs) {
        if let Belongs::To(flow, _) = belongs {
            self.queued.insert(plain(flow));
        }
    }
}

fn stopped(belongs: Belongs, part: Part, chain: &str, rule: Option<usize>) -> Option<Stopped> {
    let (flow, reply) = match belongs {
        Belongs::To(flow, reply) => (Some(flow), reply),
        Belongs::Neighbours(answer) => (None, answer),
        Belongs::Nowhere => return None,
    };
    let chain = chain.to_owned();
    let spot = Spot {
        part,
        chain,
        rule,
        reply,
    };
    Some(Stopped { flow, spot })
}
