//! Following packets through nf_tables rules, native ones and those of iptables-nft.
//!
//! The kernel tells of every rule that matches a traced packet, and of the policy that it
//! meets (`NFNLGRP_NFTRACE`). Tracing changes no verdict. Legacy tables do not tell; see
//! [`Counters`](super::Counters).

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::super::Flow;
use super::attribution::{Attribution, Belongs};
use super::places::Places;
use super::trace_message::{Outcome, Step};
use super::trace_table::{Gate, Tables, gate, is_tracing};
use super::{Spot, Stopped};
use crate::checkpoint::Part;
use crate::netlink::{Messages, Socket};
use crate::netns::NetNs;
use crate::nftables::{self, Ruleset, is_stand_in};

/// `NFNLGRP_NFTRACE` is group 9, the ninth bit.
const NFNLGRP_NFTRACE: u32 = 1 << 8;
/// A packet takes some ten messages of 1 KiB each; memory is taken only as they come.
const RECEIVE_BUFFER_BYTES: usize = 64 << 20;
/// Longer than any one message of a trace.
const MESSAGE_BYTES: usize = 64 << 10;

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
    events: OwnedFd,
    buffer: Vec<u8>,
    places: Places,
    flows: Attribution,
    found: VecDeque<Stopped>,
    queued: BTreeSet<Flow>,
    lost: bool,
}

impl Tracer {
    /// Starts to trace what enters and what leaves `server`: IP of both versions, ARP, and
    /// already on ingress what comes in by `devices`, which must exist there.
    ///
    /// # Errors
    /// [`Error`]; then nothing is left behind.
    pub fn install(server: &NetNs, devices: &[String]) -> Result<Self, Error> {
        server.enter(|| Self::here(devices))?
    }

    fn here(devices: &[String]) -> Result<Self, Error> {
        let events = listen()?;
        let socket = Socket::open(NETFILTER).map_err(nftables::Error::from)?;
        Ok(Self {
            tables: Tables::make(socket, devices)?,
            events,
            buffer: vec![0; MESSAGE_BYTES],
            places: Places::default(),
            flows: Attribution::default(),
            found: VecDeque::new(),
            queued: BTreeSet::new(),
            lost: false,
        })
    }

    /// The rules that packets meet from now on, as captured in the namespace after they were
    /// brought there. Packets that were stopped before were stopped by those known before.
    pub fn rules(&mut self, ruleset: &Ruleset) {
        self.collect();
        self.places = Places::of(ruleset);
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
            if self.readable().await.is_err() {
                self.lost = true;
                pending::<()>().await;
            }
        }
    }

    #[allow(
        deprecated,
        reason = "what replaces it is unsafe; the borrow keeps the file open"
    )]
    async fn readable(&self) -> io::Result<()> {
        let events = AsyncFd::with_interest(self.events.as_fd(), Interest::READABLE)?;
        events.readable().await.map(|_| ())
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

    /// Flows of which a packet was handed to a program (`queue`, `NFQUEUE`): what that
    /// would say on the host is not known here, where none listens.
    #[must_use]
    pub const fn queued(&self) -> &BTreeSet<Flow> {
        &self.queued
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
        loop {
            let flags = RecvFlags::DONTWAIT;
            let received = retry_on_intr(|| recv(&self.events, &mut self.buffer[..], flags));
            let length = match received {
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return,
                // The queue was full; what is in it can still be read.
                Err(Errno::NOBUFS) => {
                    self.lost = true;
                    continue;
                }
                Err(_) => {
                    self.lost = true;
                    return;
                }
            };
            let steps: Vec<Step> = Messages::new(&self.buffer[..length])
                .filter_map(|message| Step::read(&message))
                .collect();
            for step in &steps {
                self.follow(step);
            }
        }
    }

    fn follow(&mut self, step: &Step) {
        let gate = is_tracing(&step.table).then(|| gate(&step.table, &step.chain));
        if let Some(packet) = step.packet {
            self.flows.see(step.id, gate == Some(Gate::First), packet);
        }
        match step.outcome {
            Outcome::On if gate == Some(Gate::Last) => self.flows.forget(step.id),
            Outcome::On => {}
            Outcome::Dropped => self.stop(step),
            Outcome::Queued => {
                if let Belongs::To(flow, _) = self.flows.of(step.id) {
                    self.queued.insert(flow);
                }
                self.stop(step);
            }
            Outcome::Stolen => {
                let answers = |handle| self.places.answers(&step.table, handle);
                if !step.rule.is_some_and(answers) {
                    self.stop(step);
                }
            }
        }
    }

    fn stop(&mut self, step: &Step) {
        let belongs = self.flows.of(step.id);
        self.flows.forget(step.id);
        let (flow, reply) = match belongs {
            Belongs::To(flow, reply) => (Some(flow), reply),
            Belongs::Neighbours(answer) => (None, answer),
            Belongs::Nowhere => return,
        };
        // While rules are replaced, a copy stands in for them: no rule of anybody's.
        if is_stand_in(&step.table) {
            return;
        }
        let (chain, rule) = match step.rule {
            None => (step.chain.as_str(), None),
            Some(handle) => match self.places.find(&step.table, &step.chain, handle) {
                Some((chain, number)) => (chain, Some(number)),
                None => {
                    self.lost = true;
                    return;
                }
            },
        };
        self.found.push_back(Stopped {
            flow,
            spot: Spot {
                part: Part::Nft(step.table.clone()),
                chain: chain.to_owned(),
                rule,
                reply,
            },
        });
    }
}

/// A socket that gets what is traced in the calling thread's namespace.
fn listen() -> Result<OwnedFd, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(NETFILTER),
    )?;
    // Without the privilege to force it, the kernel's limit has to do.
    if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
    }
    bind(&socket, &SocketAddrNetlink::new(0, NFNLGRP_NFTRACE))?;
    Ok(socket)
}
