//! Addresses that stand for anybody.

use std::net::IpAddr;

use super::host::Host;
use crate::netlink::address::same_prefix;

/// Public addresses that rule files rarely mention. None is ever reached: the world of a
/// rehearsal is a namespace. Addresses set aside for documentation would not do, for
/// many rule files drop them.
const V4: [&str; 3] = ["93.184.215.14", "185.15.59.224", "130.89.148.77"];
const V6: [&str; 3] = [
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "2a02:ec80:300:ed1a::1",
    "2001:67c:2564:a119::77",
];

/// One address of each family that is neither this host's nor on one of its networks,
/// and is not in `taken`.
#[must_use]
pub fn strangers(host: &Host, taken: &[IpAddr]) -> Vec<IpAddr> {
    [V4, V6]
        .into_iter()
        .filter_map(|list| {
            list.into_iter()
                .filter_map(|text| text.parse().ok())
                .find(|ip| !taken.contains(ip) && !is_near(host, *ip))
        })
        .collect()
}

fn is_near(host: &Host, ip: IpAddr) -> bool {
    host.addresses
        .iter()
        .any(|address| same_prefix(address.ip, ip, address.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::host::Address;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_stranger_is_nobody_who_is_known() {
        let host = Host {
            addresses: vec![Address {
                link: 2,
                ip: ip("93.184.215.1"),
                prefix: 24,
                peer: None,
                scope: 0,
                flags: 0,
            }],
            ..Host::default()
        };
        let found = strangers(&host, &[ip(V6[0])]);
        assert_eq!(found, vec![ip(V4[1]), ip(V6[1])]);
    }
}
