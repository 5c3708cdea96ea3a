//! Values below `/proc/sys/net` that decide about packets (`Documentation/networking/ip-sysctl.rst`).
//!
//! `/proc/sys/net` shows the network namespace of the thread that looks.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Longer than any of the values, in bytes.
const VALUE_BYTES: usize = 4096;

const GLOBAL: &[&str] = &[
    "net/bridge/bridge-nf-call-arptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-filter-pppoe-tagged",
    "net/bridge/bridge-nf-filter-vlan-tagged",
    "net/bridge/bridge-nf-pass-vlan-input-dev",
    "net/ipv4/fib_multipath_hash_policy",
    "net/ipv4/fib_multipath_use_neigh",
    "net/ipv4/fwmark_reflect",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/icmp_echo_ignore_broadcasts",
    "net/ipv4/icmp_errors_use_inbound_ifaddr",
    "net/ipv4/icmp_ratelimit",
    "net/ipv4/icmp_ratemask",
    "net/ipv4/ip_default_ttl",
    "net/ipv4/ip_early_demux",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/ip_no_pmtu_disc",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/raw_l3mdev_accept",
    "net/ipv4/tcp_early_demux",
    "net/ipv4/tcp_ecn",
    "net/ipv4/tcp_fwmark_accept",
    "net/ipv4/tcp_l3mdev_accept",
    "net/ipv4/tcp_sack",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_timestamps",
    "net/ipv4/tcp_window_scaling",
    "net/ipv4/udp_early_demux",
    "net/ipv4/udp_l3mdev_accept",
    "net/ipv6/bindv6only",
    "net/ipv6/fib_multipath_hash_policy",
    "net/ipv6/fwmark_reflect",
    "net/ipv6/icmp/echo_ignore_all",
    "net/ipv6/icmp/echo_ignore_anycast",
    "net/ipv6/icmp/echo_ignore_multicast",
    "net/ipv6/icmp/ratelimit",
    "net/ipv6/icmp/ratemask",
    "net/ipv6/ip_nonlocal_bind",
    "net/netfilter/nf_conntrack_checksum",
    "net/netfilter/nf_conntrack_helper",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_tcp_ignore_invalid_rst",
    "net/netfilter/nf_conntrack_tcp_loose",
    "net/netfilter/nf_hooks_lwtunnel",
];

/// Of each interface, of `all` and of `default`.
const V4: &[&str] = &[
    "accept_local",
    "accept_source_route",
    "arp_accept",
    "arp_announce",
    "arp_filter",
    "arp_ignore",
    "bc_forwarding",
    "disable_policy",
    "disable_xfrm",
    "drop_gratuitous_arp",
    "drop_unicast_in_l2_multicast",
    "forwarding",
    "ignore_routes_with_linkdown",
    "proxy_arp",
    "proxy_arp_pvlan",
    "route_localnet",
    "rp_filter",
    "src_valid_mark",
];

/// As [`V4`].
const V6: &[&str] = &[
    "accept_source_route",
    "accept_untracked_na",
    "disable_ipv6",
    "disable_policy",
    "drop_unicast_in_l2_multicast",
    "drop_unsolicited_na",
    "force_forwarding",
    "forwarding",
    "hop_limit",
    "ignore_routes_with_linkdown",
    "proxy_ndp",
    "use_oif_addrs_only",
];

/// Those that there are below `root` (`/proc/sys`), without surrounding blanks.
pub(super) fn read(root: &Path) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut take = |name: String| {
        if let Some(value) = value(&root.join(&name)) {
            values.insert(name, value);
        }
    };
    for name in GLOBAL {
        take((*name).to_owned());
    }
    for (directory, names) in [("net/ipv4/conf", V4), ("net/ipv6/conf", V6)] {
        let entries = fs::read_dir(root.join(directory));
        for entry in entries.into_iter().flatten().flatten() {
            let Ok(interface) = entry.file_name().into_string() else {
                continue;
            };
            for name in names {
                take(format!("{directory}/{interface}/{name}"));
            }
        }
    }
    values
}

fn value(path: &Path) -> Option<String> {
    let mut bytes = [0; VALUE_BYTES];
    let length = File::open(path).ok()?.read(&mut bytes).ok()?;
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    Some(text.trim().to_owned())
}
