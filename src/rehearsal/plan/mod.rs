//! Which probes a rehearsal sends. Pure, but for asking the kernel for paths.

mod needs;
mod requirements;
mod services;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Protocol;
use super::host::{Host, Listening, Path};
use super::probe::{Probe, Side};
use super::report::{Direction, Peer};
use super::requirement::Requirement;
use super::strangers::strangers;
use super::you::You;

/// A probe, and the line of the table that it fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which way.
    pub direction: Direction,
    /// Who is at the other end.
    pub peer: Peer,
    /// The program that listens, or what the host needs it for.
    pub what: Option<String>,
    /// This host's address.
    pub local: IpAddr,
    /// The other end's address.
    pub remote: IpAddr,
    /// What is sent.
    pub probe: Probe,
}

/// All that is to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// A new login of the user.
    pub login: Option<Ask>,
    /// The lines of the table.
    pub asks: Vec<Ask>,
    /// What is required, each with its places in `asks`.
    pub requirements: Vec<(Requirement, Vec<usize>)>,
    /// Everybody in the world.
    pub peers: Vec<IpAddr>,
    /// Sockets that answer on this host.
    pub host_sockets: Vec<Listening>,
    /// Sockets that answer in the world.
    pub world_sockets: Vec<Listening>,
    /// What cannot be asked, and why.
    pub left_out: Vec<String>,
}

/// How packets to an address leave this host.
pub type Paths<'a> = &'a dyn Fn(IpAddr) -> Option<Path>;

struct Planner<'a> {
    host: &'a Host,
    path: Paths<'a>,
    plan: Plan,
}

/// What to ask of the rules of `host`.
#[must_use]
pub fn plan(host: &Host, you: Option<&You>, required: &[Requirement], path: Paths<'_>) -> Plan {
    let mut taken: Vec<IpAddr> = you.iter().map(|you| you.peer.ip()).collect();
    taken.extend(required.iter().filter_map(|one| one.from));
    taken.extend(host.needs.iter().filter_map(|need| need.ip));
    let (strangers, away): (Vec<IpAddr>, Vec<IpAddr>) = strangers(host, &taken)
        .into_iter()
        .partition(|ip| path(*ip).is_some());
    let mut planner = Planner {
        host,
        path,
        plan: Plan::default(),
    };
    planner.plan.host_sockets.clone_from(&host.listening);
    for ip in away {
        let version = if ip.is_ipv6() { "IPv6" } else { "IPv4" };
        planner.plan.left_out.push(format!(
            "this host has no {version} route to the Internet: nobody from there was tried"
        ));
    }
    if let Some(you) = you {
        planner.login(you);
    }
    for socket in &host.listening {
        planner.service(socket, you, &strangers);
    }
    for one in required {
        planner.requirement(one, &strangers);
    }
    for need in &host.needs {
        planner.need(need, &strangers);
    }
    planner.loopback();
    planner.plan.finish()
}

impl Plan {
    fn finish(mut self) -> Self {
        let remote = |ask: &Ask| (ask.peer != Peer::Loopback).then_some(ask.remote);
        let peers: BTreeSet<IpAddr> = self
            .login
            .iter()
            .chain(&self.asks)
            .filter_map(remote)
            .collect();
        self.peers = peers.into_iter().collect();
        self.left_out.dedup();
        self
    }
}

impl Planner<'_> {
    fn login(&mut self, you: &You) {
        let port = you.login.port();
        let listened = self.listens(Protocol::Tcp, port);
        if !listened && !you.is_redirected() {
            self.add_socket(Protocol::Tcp, port);
            self.plan.left_out.push(format!(
                "nothing listens on tcp/{port} yet: only the rules were tried, not the login itself"
            ));
        }
        self.plan.login = Some(Ask {
            direction: Direction::In,
            peer: Peer::You,
            what: None,
            local: you.login.ip(),
            remote: you.peer.ip(),
            probe: world(Protocol::Tcp, you.peer.ip(), you.login),
        });
    }

    /// The same question is asked once: two sockets may share a port.
    fn push(&mut self, ask: Ask) -> usize {
        let same = |old: &Ask| old.peer == ask.peer && old.probe == ask.probe;
        if let Some(at) = self.plan.asks.iter().position(same) {
            return at;
        }
        self.plan.asks.push(ask);
        self.plan.asks.len() - 1
    }

    fn listens(&self, protocol: Protocol, port: u16) -> bool {
        self.plan.host_sockets.iter().any(|one| {
            one.protocol == protocol
                && one.address.port() == port
                && !one.address.ip().is_loopback()
        })
    }

    /// Answers on a port that nobody listens on: it is the rules that are asked about.
    fn add_socket(&mut self, protocol: Protocol, port: u16) {
        let anywhere = [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ];
        let sockets = anywhere.map(|ip| answering(protocol, SocketAddr::new(ip, port)));
        self.plan.host_sockets.extend(sockets);
    }
}

fn answering(protocol: Protocol, address: SocketAddr) -> Listening {
    Listening {
        protocol,
        address,
        v6_only: address.is_ipv6(),
        device: None,
        uid: 0,
        program: None,
    }
}

/// Whether packets of the family reach `socket`.
fn takes(socket: &Listening, v6: bool) -> bool {
    match socket.address.ip() {
        IpAddr::V4(_) => !v6,
        IpAddr::V6(ip) if v6 => ip.to_ipv4_mapped().is_none(),
        IpAddr::V6(ip) => ip.is_unspecified() && !socket.v6_only,
    }
}

fn world(protocol: Protocol, from: IpAddr, to: SocketAddr) -> Probe {
    Probe {
        protocol,
        side: Side::World,
        source: SocketAddr::new(from, 0),
        destination: to,
        device: None,
        uid: 0,
    }
}

fn own(protocol: Protocol, from: IpAddr, to: SocketAddr) -> Probe {
    Probe {
        protocol,
        side: Side::Host,
        source: SocketAddr::new(from, 0),
        destination: to,
        device: None,
        uid: 0,
    }
}
