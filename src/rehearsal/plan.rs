//! Which probes a rehearsal sends. Pure, but for asking the kernel for paths.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Protocol;
use super::host::{Host, Listening, Need, Path};
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
    let strangers: Vec<IpAddr> = strangers(host, &taken);
    let mut planner = Planner {
        host,
        path,
        plan: Plan::default(),
    };
    planner.plan.host_sockets.clone_from(&host.listening);
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

    fn service(&mut self, socket: &Listening, you: Option<&You>, strangers: &[IpAddr]) {
        let ip = socket.address.ip();
        if ip.is_multicast() || is_link_local(ip) || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            self.plan.left_out.push(format!(
                "{}/{} on {ip}: an address of one link only",
                socket.protocol,
                socket.address.port()
            ));
            return;
        }
        if ip.is_loopback() {
            self.ask_over_loopback(socket);
            return;
        }
        for v6 in [false, true] {
            if !takes(socket, v6) {
                continue;
            }
            if let Some(you) = you.filter(|you| you.peer.is_ipv6() == v6) {
                let local = if ip.is_unspecified() {
                    you.login.ip()
                } else {
                    ip
                };
                self.ask_in(socket, local, you.peer.ip(), Peer::You);
            }
            for stranger in strangers.iter().filter(|one| one.is_ipv6() == v6) {
                let specific = (!ip.is_unspecified()).then_some(ip);
                if let Some(local) = specific.or_else(|| (self.path)(*stranger)?.source) {
                    self.ask_in(socket, local, *stranger, Peer::Stranger);
                }
            }
        }
    }

    fn ask_in(&mut self, socket: &Listening, local: IpAddr, remote: IpAddr, peer: Peer) {
        let to = SocketAddr::new(local, socket.address.port());
        let ask = Ask {
            direction: Direction::In,
            peer,
            what: socket.program.clone(),
            local,
            remote,
            probe: world(socket.protocol, remote, to),
        };
        self.push(ask);
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

    fn ask_over_loopback(&mut self, socket: &Listening) {
        let ip = socket.address.ip();
        let to = SocketAddr::new(ip, socket.address.port());
        self.push(Ask {
            direction: Direction::In,
            peer: Peer::Loopback,
            what: socket.program.clone(),
            local: ip,
            remote: ip,
            probe: own(socket.protocol, ip, to),
        });
    }

    fn requirement(&mut self, required: &Requirement, strangers: &[IpAddr]) {
        let (protocol, port) = (required.protocol, required.port);
        if !self.listens(protocol, port) {
            self.add_socket(protocol, port);
        }
        let (peers, peer) = match required.from {
            Some(ip) => (vec![ip], Peer::Named),
            None => (strangers.to_vec(), Peer::Stranger),
        };
        let mut places = Vec::new();
        for remote in peers {
            let socket = self.plan.host_sockets.iter().find(|one| {
                one.protocol == protocol
                    && one.address.port() == port
                    && !one.address.ip().is_loopback()
                    && takes(one, remote.is_ipv6())
            });
            let Some(socket) = socket.cloned() else {
                continue;
            };
            let ip = socket.address.ip();
            let specific = (!ip.is_unspecified()).then_some(ip);
            if let Some(local) = specific.or_else(|| (self.path)(remote)?.source) {
                places.push(self.push(Ask {
                    direction: Direction::In,
                    peer,
                    what: socket.program.clone(),
                    local,
                    remote,
                    probe: world(protocol, remote, SocketAddr::new(local, port)),
                }));
            }
        }
        self.plan.requirements.push((required.clone(), places));
    }

    fn need(&mut self, need: &Need, strangers: &[IpAddr]) {
        let anybody = need.ip.is_none();
        let remotes = need.ip.map_or_else(|| strangers.to_vec(), |ip| vec![ip]);
        for remote in remotes {
            if self.host.addresses.iter().any(|one| one.ip == remote) || remote.is_loopback() {
                continue;
            }
            let Some(local) = (self.path)(remote).and_then(|path| path.source) else {
                if !anybody {
                    let what = format!("{} {remote}: this host has no route to it", need.purpose);
                    self.plan.left_out.push(what);
                }
                continue;
            };
            if need.protocol != Protocol::Icmp {
                let to = if remote.is_ipv6() {
                    IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                } else {
                    IpAddr::V4(Ipv4Addr::UNSPECIFIED)
                };
                let socket = answering(need.protocol, SocketAddr::new(to, need.port));
                if !self.plan.world_sockets.contains(&socket) {
                    self.plan.world_sockets.push(socket);
                }
            }
            let to = SocketAddr::new(remote, need.port);
            self.push(Ask {
                direction: Direction::Out,
                peer: if anybody { Peer::Stranger } else { Peer::Named },
                what: Some(need.purpose.clone()),
                local,
                remote,
                probe: own(need.protocol, local, to),
            });
        }
    }

    fn loopback(&mut self) {
        let addresses = self.host.addresses.iter().map(|one| one.ip);
        let loopbacks: Vec<IpAddr> = addresses.filter(IpAddr::is_loopback).collect();
        for ip in loopbacks {
            self.push(Ask {
                direction: Direction::Out,
                peer: Peer::Loopback,
                what: Some("loopback".to_owned()),
                local: ip,
                remote: ip,
                probe: own(Protocol::Icmp, ip, SocketAddr::new(ip, 0)),
            });
        }
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

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
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
