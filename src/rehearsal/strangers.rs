//! Addresses that stand for anybody.

use std::net::IpAddr;

use super::host::Host;

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
        .any(|address| contains(address.ip, address.prefix, ip))
}

/// Whether `ip` lies in the network of `of` with `prefix` bits.
#[must_use]
pub fn contains(of: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    let shift = |bits: u8| u32::from(bits.saturating_sub(prefix));
    match (of, ip) {
        (IpAddr::V4(of), IpAddr::V4(ip)) => {
            (u32::from(of) ^ u32::from(ip))
                .checked_shr(shift(32))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(of), IpAddr::V6(ip)) => {
            (u128::from(of) ^ u128::from(ip))
                .checked_shr(shift(128))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::host::Address;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_what_shares_their_prefix() {
        assert!(contains(ip("10.1.2.3"), 8, ip("10.9.9.9")));
        assert!(!contains(ip("10.1.2.3"), 16, ip("10.9.9.9")));
        assert!(contains(ip("10.1.2.3"), 0, ip("1.1.1.1")));
        assert!(!contains(ip("10.1.2.3"), 32, ip("10.1.2.4")));
        assert!(contains(ip("2001:db8::1"), 64, ip("2001:db8::ffff")));
        assert!(!contains(ip("2001:db8::1"), 0, ip("1.1.1.1")));
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
