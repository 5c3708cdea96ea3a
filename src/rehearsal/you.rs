//! Whose login is rehearsed.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::host::{Host, Path};
use super::{Flow, Protocol, conntrack};
use crate::connection::{Origin, SSH_PORT, Tuple};

/// The port that a connection comes from when only its address is asked about.
const ANY_CLIENT_PORT: u16 = 50_022;

/// What the user wants rehearsed instead of the connection that he or she sits on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// From where; with a port where that matters.
    pub from: Option<(IpAddr, Option<u16>)>,
    /// The port that a new login dials.
    pub port: Option<u16>,
}

/// The connection that the user sits on, and how a new one is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct You {
    /// The user's end.
    pub peer: SocketAddr,
    /// This host's end, as its socket has it.
    pub local: SocketAddr,
    /// This host's end, as the user dialled it: another one than `local` where rules redirect.
    pub dialled: SocketAddr,
    /// What a new login dials.
    pub login: SocketAddr,
    /// Whether there is such a connection; otherwise it is only supposed.
    pub real: bool,
}

impl You {
    /// The user's connection as `origin` has it, or as it was asked for; `None` where there is neither.
    ///
    /// # Errors
    /// A sentence: why there is no way between this host and the address that was asked for.
    pub fn find(
        host: &Host,
        origin: &Origin,
        asked: Asked,
        path: impl Fn(IpAddr) -> Option<Path>,
    ) -> Result<Option<Self>, String> {
        let sits_on = origin.tuple.filter(|tuple| is_remote(host, tuple));
        let Some((ip, port)) = asked.from else {
            return Ok(sits_on.map(|tuple| Self::sitting_on(&tuple, asked.port)));
        };
        let peer = SocketAddr::new(ip, port.unwrap_or(ANY_CLIENT_PORT));
        if let Some(tuple) = sits_on.filter(|tuple| tuple.peer == peer) {
            return Ok(Some(Self::sitting_on(&tuple, asked.port)));
        }
        let same_family = |local: &IpAddr| local.is_ipv4() == ip.is_ipv4();
        let local = sits_on
            .map(|tuple| tuple.local.ip())
            .filter(same_family)
            .or_else(|| path(ip)?.source)
            .ok_or_else(|| format!("this host has no route to {ip}"))?;
        let port = asked
            .port
            .or_else(|| Some(sits_on?.local.port()))
            .or_else(|| ssh_port(host))
            .unwrap_or(SSH_PORT);
        let local = SocketAddr::new(local, port);
        Ok(Some(Self {
            peer,
            local,
            dialled: local,
            login: local,
            real: false,
        }))
    }

    fn sitting_on(tuple: &Tuple, port: Option<u16>) -> Self {
        // What the user dialled is known to connection tracking only.
        let answers = Flow {
            protocol: Protocol::Tcp,
            source: tuple.local,
            destination: tuple.peer,
        };
        let dialled = conntrack::lookup(&answers)
            .ok()
            .flatten()
            .map(|entry| entry.original)
            .filter(|original| original.source == tuple.peer)
            .map_or(tuple.local, |original| original.destination);
        let login = port.map_or(dialled, |port| SocketAddr::new(dialled.ip(), port));
        Self {
            peer: tuple.peer,
            local: tuple.local,
            dialled,
            login,
            real: true,
        }
    }

    /// Whether rules lead the user's connection elsewhere than where it was dialled.
    #[must_use]
    pub fn is_redirected(&self) -> bool {
        self.dialled != self.local
    }
}

fn is_remote(host: &Host, tuple: &Tuple) -> bool {
    let peer = tuple.peer.ip();
    let own = |ip: IpAddr| host.addresses.iter().any(|address| address.ip == ip);
    !peer.is_loopback() && peer != tuple.local.ip() && !own(peer)
}

/// The port that sshd listens on, the usual one first.
fn ssh_port(host: &Host) -> Option<u16> {
    let mut ports: Vec<u16> = host
        .listening
        .iter()
        .filter(|one| one.protocol == Protocol::Tcp && !one.address.ip().is_loopback())
        .filter(|one| matches!(one.program.as_deref(), Some("sshd" | "dropbear")))
        .map(|one| one.address.port())
        .collect();
    ports.sort_by_key(|port| (*port != SSH_PORT, *port));
    ports.first().copied()
}
