//! Addresses as iptables(8) takes them.

use std::net::{IpAddr, Ipv4Addr};

/// Whether every address is meant.
pub(super) fn is_any(value: &str) -> bool {
    network(value).is_some_and(|(ip, prefix)| ip.is_unspecified() && prefix == 0)
}

/// A network's first address and the length of its prefix; `None` for a host's name and masks
/// with holes.
pub(super) fn network(value: &str) -> Option<(IpAddr, u32)> {
    let (ip, mask) = value.split_once('/').unwrap_or((value, ""));
    let ip = match ip.parse::<IpAddr>() {
        Ok(ip) => ip,
        // `10/8` and `10.1/16` leave zeros out.
        Err(_) => {
            let numbers: Vec<u8> = ip
                .split('.')
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?;
            let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
            IpAddr::V4(Ipv4Addr::new(at(0), at(1), at(2), at(3)))
        }
    };
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = match (mask, mask.parse::<u32>()) {
        ("", _) => bits,
        (_, Ok(prefix)) if prefix <= bits => prefix,
        (mask, _) => {
            let mask = mask.parse::<Ipv4Addr>().ok()?.to_bits();
            (mask.leading_ones() == mask.count_ones()).then_some(mask.count_ones())?
        }
    };
    let ip = match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    };
    Some((ip, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let same = [
            ("10/8", "10.0.0.0/255.0.0.0"),
            ("10.1.2.3/16", "10.1.0.0/16"),
            ("1.2.3.4", "1.2.3.4/32"),
            ("0/0", "0.0.0.0/0"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("::/0", "fe80::1/0"),
        ];
        for (one, two) in same {
            assert_eq!(network(one), network(two), "{one}");
            assert!(network(one).is_some(), "{one}");
        }
        for name in [
            "a.example",
            "10.0.0.0/255.0.255.0",
            "1.2.3.4/33",
            "300.1.1.1",
            "",
        ] {
            assert_eq!(network(name), None, "{name}");
        }
        assert!(is_any("0/0") && is_any("::/0") && !is_any("10/8"));
    }
}
