//! Name servers (`resolv.conf(5)`).

use std::net::IpAddr;
use std::path::Path;

use super::{Need, literal, push, text};
use crate::rehearsal::Protocol;

const RESOLV_CONF: &str = "etc/resolv.conf";
/// Where a resolver on this host keeps whom it asks (systemd-resolved(8), NetworkManager(8)).
const UPSTREAM: [&str; 2] = [
    "run/systemd/resolve/resolv.conf",
    "run/NetworkManager/no-stub-resolv.conf",
];
const PORT: u16 = 53;

/// The servers that are asked outside this host. Where a resolver on this host asks them and
/// does not tell whom, any.
pub(super) fn read(root: &Path) -> Vec<Need> {
    let named = servers(root, RESOLV_CONF);
    let mut outside: Vec<_> = named.iter().copied().filter(is_outside).collect();
    for path in UPSTREAM {
        if outside.is_empty() && !named.is_empty() {
            outside = servers(root, path);
            outside.retain(is_outside);
        }
    }
    let mut needs = Vec::new();
    let mut need = |ip| {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            push(&mut needs, "resolver", protocol, ip, PORT);
        }
    };
    if outside.is_empty() && !named.is_empty() {
        need(None);
    }
    for ip in outside {
        need(Some(ip));
    }
    needs
}

fn is_outside(ip: &IpAddr) -> bool {
    // `0.0.0.0` is another way to write this host.
    !ip.is_loopback() && !ip.is_unspecified()
}

fn servers(root: &Path, path: &str) -> Vec<IpAddr> {
    let text = text(root, path).unwrap_or_default();
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| literal(words.next()?))?
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::read;

    const STUB: (&str, &str) = ("etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0\n");

    #[test]
    fn servers_named_are_asked_both_ways() {
        let file = "# nameserver 192.0.2.9\n;nameserver 192.0.2.8\nsearch example.org\n\
                    nameserver 192.0.2.53 # first\n\tnameserver\tfe80::1%eth0\nnameserver 192.0.2.53\n\
                    nameserver nonsense\nnameserver 127.0.0.1\n";
        assert_eq!(
            found(read, &[("etc/resolv.conf", file)]),
            [
                "udp/53 192.0.2.53",
                "tcp/53 192.0.2.53",
                "udp/53 fe80::1",
                "tcp/53 fe80::1"
            ]
        );
        assert!(found(read, &[]).is_empty());
    }

    #[test]
    fn behind_a_stub_those_that_it_asks() {
        let upstream = (
            "run/systemd/resolve/resolv.conf",
            "nameserver 2001:db8::53\n",
        );
        assert_eq!(
            found(read, &[STUB, upstream]),
            ["udp/53 2001:db8::53", "tcp/53 2001:db8::53"]
        );
        let manager = (
            "run/NetworkManager/no-stub-resolv.conf",
            "nameserver 192.0.2.3\n",
        );
        let local = ("etc/resolv.conf", "nameserver ::1\n");
        assert_eq!(
            found(read, &[local, manager]),
            ["udp/53 192.0.2.3", "tcp/53 192.0.2.3"]
        );
        assert_eq!(found(read, &[STUB]), ["udp/53 any", "tcp/53 any"]);
    }

    #[test]
    fn a_server_outside_counts_more_than_what_a_stub_asks() {
        let both = (
            "etc/resolv.conf",
            "nameserver 127.0.0.53\nnameserver 192.0.2.1\n",
        );
        let upstream = ("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.2\n");
        assert_eq!(
            found(read, &[both, upstream]),
            ["udp/53 192.0.2.1", "tcp/53 192.0.2.1"]
        );
    }
}
