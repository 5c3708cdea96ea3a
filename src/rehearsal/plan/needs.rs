//! Whom the host itself has to reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::Protocol;
use super::super::host::Need;
use super::super::report::{Direction, Peer};
use super::{Ask, Planner, answering, own};

impl Planner<'_> {
    pub(super) fn need(&mut self, need: &Need, strangers: &[IpAddr]) {
        let anybody = need.ip.is_none();
        let remotes = need.ip.map_or_else(|| strangers.to_vec(), |ip| vec![ip]);
        for remote in remotes {
            if self.host.is_local(remote) || remote.is_loopback() {
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

    pub(super) fn loopback(&mut self) {
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
}
