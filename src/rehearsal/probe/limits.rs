//! Limits of the kernel that would blur what the rules say.

use std::fs;

/// Paths below `/proc/sys/net`, and what is written there; of several values the first that is taken.
///
/// - ICMP errors are sent to one address six at a time, then one a second: of many rejected
///   probes most would see silence (`icmpv4_xrlim_allow`, `net/ipv4/icmp.c`).
/// - Echo requests need no raw socket (`ping_init_sock`, `net/ipv4/ping.c`).
/// - A `SYN-ACK` that was dropped is not sent again while others are asked.
const LIMITS: [(&str, &[&str]); 6] = [
    ("ipv4/icmp_ratelimit", &["0"]),
    ("ipv4/icmp_msgs_per_sec", &["1000000"]),
    ("ipv4/icmp_msgs_burst", &["100000"]),
    ("ipv6/icmp/ratelimit", &["0"]),
    ("ipv4/ping_group_range", &["0 2147483647", "0 0"]),
    ("ipv4/tcp_synack_retries", &["0"]),
];

/// Lifts the limits in the calling thread's network namespace, as far as they are there and
/// may be changed: older kernels keep some for all namespaces together.
pub(super) fn lift() {
    for (path, values) in LIMITS {
        let path = format!("/proc/sys/net/{path}");
        let _ = values.iter().find(|value| fs::write(&path, value).is_ok());
    }
}
