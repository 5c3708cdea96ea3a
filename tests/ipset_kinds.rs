//! Every set type that the kernel has, emptied, destroyed and brought back.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod ipset_common;

use ipset_common::{change, load, save, scratch, tool};
use safe_apply::exec::Run;
use safe_apply::ipset::Sets;

/// Types that a kernel may be built without, each with members.
const TYPES: [(&str, &[&str]); 14] = [
    (
        "hash:ip netmask 24 forceadd",
        &["192.0.2.0", "198.51.100.0"],
    ),
    (
        "hash:ip,mark markmask 0x000000ff",
        &["192.0.2.1,0x00000007"],
    ),
    ("hash:ip,mac", &["192.0.2.1,02:00:00:00:00:01"]),
    ("hash:mac timeout 60", &["02:00:00:00:00:01 timeout 0"]),
    ("hash:ip,port,ip", &["192.0.2.1,udp:53,192.0.2.2"]),
    (
        "hash:ip,port,net",
        &["192.0.2.1,tcp:80,198.51.100.0/24 nomatch"],
    ),
    ("hash:net,net", &["192.0.2.0/24,198.51.100.0/24"]),
    (
        "hash:net,port",
        &["192.0.2.0/24,icmp:ping", "192.0.2.0/25,sctp:9 nomatch"],
    ),
    ("hash:net,port,net", &["192.0.2.0/24,tcp:1,198.51.100.0/24"]),
    (
        "hash:net,iface",
        &[
            "192.0.2.0/24,physdev:eth0",
            "192.0.2.0/24,eth wildcard nomatch",
        ],
    ),
    ("hash:ip,port family inet6", &["2001:db8::1,tcp:22"]),
    (
        "bitmap:ip range 192.0.2.0-192.0.2.255 netmask 28 counters",
        &["192.0.2.16 packets 1 bytes 2"],
    ),
    (
        "bitmap:ip,mac range 192.0.2.0-192.0.2.255",
        &["192.0.2.3", "192.0.2.5,02:00:00:00:00:01"],
    ),
    (
        "bitmap:port range 0-65535 skbinfo",
        &["22 skbmark 0x1 skbprio 1:2 skbqueue 3"],
    ),
];

#[test]
fn every_type_that_the_kernel_has_comes_back() {
    scratch(|| {
        for (number, (create, members)) in TYPES.iter().enumerate() {
            let made = Run::tool("ipset").unwrap();
            let name = format!("set{number}");
            let words = [
                &["create", &name],
                create.split(' ').collect::<Vec<_>>().as_slice(),
            ]
            .concat();
            if !made.args(words).output().unwrap().status.success() {
                println!("not in this kernel: {create}");
                continue;
            }
            for member in *members {
                load(format!("add {name} {member}\n"));
            }
        }
        let (checkpoint, printed) = (Sets::capture().unwrap(), save());
        assert!(checkpoint.sets.len() > 3, "{printed}");
        for set in &checkpoint.sets {
            tool("ipset", &["flush", &set.name]);
        }
        change(&checkpoint);
        assert_eq!(save(), printed);
        tool("ipset", &["destroy"]);
        change(&checkpoint);
        assert_eq!(save(), printed);
    });
}
