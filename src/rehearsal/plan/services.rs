//! What listens on this host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::host::Listening;
use super::super::report::{Direction, Peer};
use super::super::you::You;
use super::{Ask, Planner, own, takes, world};

impl Planner<'_> {
    pub(super) fn service(&mut self, socket: &Listening, you: Option<&You>, strangers: &[IpAddr]) {
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
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
