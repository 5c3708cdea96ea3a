//! Which way packets take: the host's answer and the stage's to the same question.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustix::io::Errno;

use super::addresses::is_usable;
use super::plan::LOOPBACK;
use crate::netlink::Error;
use crate::netlink::route::Rtnl;
use crate::rehearsal::host::{Host, Path, Question, paths};

/// `RT_SCOPE_LINK`: from here on addresses are good on one link, or on this host only.
const SCOPE_LINK: u8 = 253;
/// How many questions are asked at most.
const MOST: usize = 4096;

/// Both answers to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// The stage's.
    pub(super) here: Result<Path, Errno>,
    /// The host's.
    pub(super) host: Result<Path, Errno>,
}

/// The ways to each peer, by the address that packets come from.
pub(super) type Ways = BTreeMap<IpAddr, BTreeMap<Option<IpAddr>, Way>>;

/// The ways to each of `peers`, from no address in particular and from each of the host's.
/// The calling thread has to be in the host's network namespace.
pub(super) fn explore(server: &mut Rtnl, host: &Host, peers: &[IpAddr]) -> Result<Ways, Error> {
    let mut questions = Vec::new();
    for to in peers.iter().copied() {
        let link = link_of(host, to);
        let own = host.addresses.iter().filter(|own| {
            own.ip.is_ipv4() == to.is_ipv4()
                && own.scope < SCOPE_LINK
                && !own.ip.is_loopback()
                && is_usable(own)
        });
        // Link-local ones are good on their own link only.
        let own = own.filter(|own| !is_link_local(own.ip) || link == Some(own.link));
        let from = std::iter::once(None).chain(own.map(|own| Some(own.ip)));
        questions.extend(from.map(|from| Question { to, from, link }));
    }
    // Those without an address come first, should there be too many.
    questions.sort_by_key(|question| question.from.is_some());
    questions.truncate(MOST);
    let here = paths(server, &questions)?;
    let there = paths(&mut Rtnl::here()?, &questions)?;
    let mut ways = Ways::new();
    for (question, (here, host)) in questions.iter().zip(here.into_iter().zip(there)) {
        let of_peer = ways.entry(question.to).or_default();
        of_peer.insert(question.from, Way { here, host });
    }
    Ok(ways)
}

/// The interface behind which a link-local address is: where it was seen, or else where
/// the default route leads, or the first that has such addresses itself.
pub(super) fn link_of(host: &Host, peer: IpAddr) -> Option<u32> {
    if !is_link_local(peer) {
        return None;
    }
    let seen = host
        .neighbours
        .iter()
        .find(|neighbour| neighbour.ip == peer);
    let capable = || {
        let own = host.addresses.iter().filter(|own| is_link_local(own.ip));
        own.map(|own| own.link).filter(|link| *link != LOOPBACK)
    };
    let mut defaults = host
        .routes
        .iter()
        .filter(|route| route.v6 && route.destination.is_none());
    seen.map(|neighbour| neighbour.link)
        .or_else(|| {
            let leads = |link: &u32| capable().any(|other| other == *link);
            defaults.find_map(|route| route.links.iter().copied().find(leads))
        })
        .or_else(|| capable().min())
}

/// Whether it is of `fe80::/10`.
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
