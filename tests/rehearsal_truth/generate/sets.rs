//! ipsets with, and without, the user and others in them.

use proptest::prelude::*;

use super::Family;

/// Names, types and members for either family; the first members are users' addresses.
const V4: [(&str, &str, &[&str]); 5] = [
    (
        "addresses",
        "hash:ip",
        &["198.51.100.1", "203.0.113.9", "10.77.0.9", "192.0.2.1"],
    ),
    (
        "networks",
        "hash:net",
        &[
            "198.51.100.0/25",
            "203.0.113.0/24",
            "10.0.0.0/8",
            "93.184.0.0/16",
        ],
    ),
    (
        "pairs",
        "hash:ip,port",
        &[
            "198.51.100.1,tcp:22",
            "203.0.113.9,tcp:22",
            "198.51.100.1,udp:53",
        ],
    ),
    (
        "ports",
        "bitmap:port range 0-1023",
        &["22", "53", "80", "443"],
    ),
    (
        "devices",
        "hash:net,iface",
        &[
            "198.51.100.0/24,eth0",
            "10.77.0.0/24,eth1",
            "203.0.113.0/24,eth1",
        ],
    ),
];
const V6: [(&str, &str, &[&str]); 3] = [
    (
        "addresses6",
        "hash:ip family inet6",
        &["2001:db8::1", "2001:db8:fa::9", "2001:db8::99"],
    ),
    (
        "networks6",
        "hash:net family inet6",
        &["2001:db8::/64", "2001:db8:fa::/48", "2606::/16"],
    ),
    (
        "pairs6",
        "hash:ip,port family inet6",
        &["2001:db8::1,tcp:22", "2001:db8:fa::9,tcp:22"],
    ),
];

type Set = (&'static str, &'static str, Vec<&'static str>);

/// All sets of a family, each with some of its members.
pub fn sets(family: Family) -> BoxedStrategy<Vec<Set>> {
    let all = match family {
        Family::V4 => V4.as_slice(),
        Family::V6 => V6.as_slice(),
    };
    let sets: Vec<_> = all
        .iter()
        .map(|&(name, kind, members)| {
            let most = members.len();
            proptest::sample::subsequence(members.to_vec(), 0..=most)
                .prop_map(move |members| (name, kind, members))
        })
        .collect();
    sets.boxed()
}

/// How rules of a family ask for them: set, and what of a packet is looked up.
pub const fn questions(family: Family) -> &'static [&'static str] {
    match family {
        Family::V4 => &[
            "addresses src",
            "networks src",
            "pairs src,dst",
            "ports dst",
            "devices src,src",
        ],
        Family::V6 => &["addresses6 src", "networks6 src", "pairs6 src,dst"],
    }
}

/// The sets that `rules` name, in the form of `ipset save`.
pub fn named(sets: &[Set], rules: &str) -> String {
    let used = sets
        .iter()
        .filter(|(name, _, _)| rules.contains(&format!("-set {name} ")));
    used.map(|(name, kind, members)| {
        let members = members.iter().map(|one| format!("add {name} {one}\n"));
        format!("create {name} {kind}\n{}", members.collect::<String>())
    })
    .collect()
}
