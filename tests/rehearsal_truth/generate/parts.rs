//! Parts of nft scripts that are always the same.

use proptest::prelude::*;

use super::one_of;

/// Sets and maps that rules name; each table gets those that its rules name.
pub const SETS: [(&str, &str); 9] = [
    (
        "@hosts4 ",
        "set hosts4 {\ntype ipv4_addr\nelements = { 198.51.100.1, 10.77.0.9 }\n}\n",
    ),
    (
        "@nets4 ",
        "set nets4 {\ntype ipv4_addr\nflags interval\nelements = { 198.51.100.0/24, 10.0.0.0-10.255.255.255 }\n}\n",
    ),
    (
        "@hosts6 ",
        "set hosts6 {\ntype ipv6_addr\nelements = { 2001:db8::1 }\n}\n",
    ),
    (
        "@nets6 ",
        "set nets6 {\ntype ipv6_addr\nflags interval\nelements = { 2001:db8::/48, 2606::/16 }\n}\n",
    ),
    (
        "@logins ",
        "set logins {\ntype inet_service\nelements = { 22, 80 }\n}\n",
    ),
    (
        "@pairs4 ",
        "set pairs4 {\ntype ipv4_addr . inet_service\nflags interval\nelements = { 198.51.100.0/24 . 22, 203.0.113.9 . 20-80 }\n}\n",
    ),
    (
        "@ports ",
        "map ports {\ntype inet_service : verdict\nelements = { 22 : accept, 443 : drop, 80 : jump one }\n}\n",
    ),
    (
        "@seen4 ",
        "set seen4 {\ntype ipv4_addr\nsize 64\nflags dynamic,timeout\ntimeout 5m\n}\n",
    ),
    (
        "@seen6 ",
        "set seen6 {\ntype ipv6_addr\nsize 64\nflags dynamic,timeout\ntimeout 5m\n}\n",
    ),
];

/// Tables below IP.
pub fn below() -> BoxedStrategy<String> {
    one_of(&[
        "table netdev early {\nchain ingress {\ntype filter hook ingress device eth0 priority 0; policy accept;\nudp dport 53 drop\n}\n}\n",
        "table netdev early {\nchain ingress {\ntype filter hook ingress device eth0 priority 0; policy accept;\nip saddr != 198.51.100.0/24 tcp dport 22 drop\n}\n}\n",
        "table arp low {\nchain input {\ntype filter hook input priority 0; policy accept;\narp operation reply counter\n}\n}\n",
        "table arp low {\nchain input {\ntype filter hook input priority 0; policy drop;\n}\n}\n",
    ])
}

/// Matches of the device that a packet comes in by.
pub fn devices() -> BoxedStrategy<String> {
    one_of(&[
        "iifname \"eth0\"",
        "iif eth0",
        "iifname != \"eth0\"",
        "iifname \"eth1\"",
        "iifname \"eth*\"",
        "iifname \"ens3\"",
        "iif lo",
        "iifname { \"eth0\", \"lo\" }",
        "iifname . tcp dport { \"eth0\" . 22, \"eth1\" . 80 }",
    ])
}
