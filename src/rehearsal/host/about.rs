//! Questions about what was read.

use std::net::IpAddr;

use super::{Address, Host};
use crate::netlink::address::same_prefix;

/// `ARPHRD_LOOPBACK`, `linux/if_arp.h`.
const ARPHRD_LOOPBACK: u16 = 772;

impl Host {
    /// Whether packets to `ip` are for this host: one of its addresses, the networks of
    /// its loopback interface, or a route of type `local`.
    #[must_use]
    pub fn is_local(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let has = |address: &Address| {
            address.ip == ip
                || (ip.is_ipv4()
                    && self.is_loopback(address.link)
                    && same_prefix(address.ip, ip, address.prefix))
        };
        self.addresses.iter().any(has)
            || self
                .routes
                .iter()
                .filter(|route| route.is_local() && route.v6 == ip.is_ipv6())
                .any(|route| {
                    let all = route.destination.is_none();
                    all || route
                        .destination
                        .is_some_and(|(net, prefix)| same_prefix(net, ip, prefix))
                })
    }

    fn is_loopback(&self, link: u32) -> bool {
        self.links
            .get(&link)
            .is_some_and(|link| link.hardware == ARPHRD_LOOPBACK)
    }
}
