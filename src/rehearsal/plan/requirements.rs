//! What is required to be open.

use std::net::{IpAddr, SocketAddr};

use super::super::report::{Direction, Peer};
use super::super::requirement::Requirement;
use super::{Ask, Planner, takes, world};

impl Planner<'_> {
    pub(super) fn requirement(&mut self, required: &Requirement, strangers: &[IpAddr]) {
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
}
