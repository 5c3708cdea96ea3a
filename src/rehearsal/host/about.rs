//! Questions about what was read.

use std::net::IpAddr;

use super::{Address, Host, Link};

/// `ARPHRD_LOOPBACK`, `linux/if_arp.h`.
const ARPHRD_LOOPBACK: u16 = 772;

impl Host {
    /// The addresses of the interface of index `link`.
    pub fn addresses_of(&self, link: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |one| one.link == link)
    }

    /// The interface named `name`.
    #[must_use]
    pub fn link_by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The interface that has the address `ip`.
    #[must_use]
    pub fn link_with(&self, ip: IpAddr) -> Option<&Link> {
        let ip = ip.to_canonical();
        let address = self.addresses.iter().find(|one| one.ip == ip)?;
        self.links.get(&address.link)
    }

    /// Whether packets to `ip` are for this host: one of its addresses, the networks of
    /// its loopback interface, or a route of type `local`.
    #[must_use]
    pub fn is_local(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let has = |address: &Address| {
            address.ip == ip
                || (ip.is_ipv4()
                    && self.is_loopback(address.link)
                    && contains(address.ip, address.prefix, ip))
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
                        .is_some_and(|(net, prefix)| contains(net, prefix, ip))
                })
    }

    /// The interfaces by which the next hop `gateway` is reached, as routes name it.
    #[must_use]
    pub fn links_to_gateway(&self, gateway: IpAddr) -> Vec<u32> {
        let routes = self.routes.iter();
        let mut links: Vec<u32> = routes
            .filter(|route| route.gateways.contains(&gateway))
            .flat_map(|route| {
                // Of several hops each has its interface; one may lack a gateway.
                let paired = route.links.len() == route.gateways.len();
                let all = route.links.iter().enumerate();
                all.filter(move |(at, _)| !paired || route.gateways.get(*at) == Some(&gateway))
                    .map(|(_, link)| *link)
            })
            .collect();
        links.sort_unstable();
        links.dedup();
        links
    }

    fn is_loopback(&self, link: u32) -> bool {
        self.links
            .get(&link)
            .is_some_and(|link| link.hardware == ARPHRD_LOOPBACK)
    }
}

/// Whether `ip` is in the network of `prefix` bits that `net` is in.
fn contains(net: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let differ = number(net) ^ number(ip);
    net.is_ipv4() == ip.is_ipv4() && differ.leading_zeros() >= u32::from(prefix)
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn networks_contain_their_addresses() {
        let holds = |net: &str, prefix, ip: &str| {
            contains(net.parse().unwrap(), prefix, ip.parse().unwrap())
        };
        assert!(holds("127.0.0.1", 8, "127.9.9.9"));
        assert!(!holds("127.0.0.1", 8, "128.0.0.1"));
        assert!(holds("192.0.2.1", 32, "192.0.2.1"));
        assert!(!holds("192.0.2.1", 32, "192.0.2.0"));
        assert!(holds("2001:db8::", 32, "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::", 32, "2001:db9::1"));
        assert!(holds("0.0.0.0", 0, "8.8.8.8"));
        assert!(!holds("0.0.0.0", 0, "::1"));
    }
}
