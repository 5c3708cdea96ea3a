//! Addresses as rtnetlink has them.

use std::net::IpAddr;

/// `AF_INET`.
pub const V4: u8 = 2;
/// `AF_INET6`.
pub const V6: u8 = 10;

/// The bytes of an address in network byte order.
#[must_use]
pub fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// `AF_INET` or `AF_INET6`.
#[must_use]
pub const fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => V4,
        IpAddr::V6(_) => V6,
    }
}

/// An address of either family from its bytes.
#[must_use]
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Whether the first `prefix` bits of both addresses are the same.
#[must_use]
pub fn same_prefix(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let differing = number(one) ^ number(other);
    one.is_ipv4() == other.is_ipv4() && differing.leading_zeros() >= u32::from(prefix)
}

/// `32` or `128`.
#[must_use]
pub const fn full_prefix(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_compared_bit_by_bit() {
        let same = |one: &str, prefix, other: &str| {
            same_prefix(one.parse().unwrap(), other.parse().unwrap(), prefix)
        };
        assert!(same("127.0.0.1", 8, "127.9.9.9"));
        assert!(!same("127.0.0.1", 8, "128.0.0.1"));
        assert!(same("192.0.2.1", 32, "192.0.2.1"));
        assert!(!same("192.0.2.1", 32, "192.0.2.0"));
        assert!(same("2001:db8::", 32, "2001:db8:ffff::1"));
        assert!(!same("2001:db8::", 32, "2001:db9::1"));
        assert!(same("2001:db8::1", 128, "2001:db8::1"));
        assert!(same("0.0.0.0", 0, "8.8.8.8"));
        assert!(!same("0.0.0.0", 0, "::1"));
    }
}
