//! Scratch namespaces with interfaces of given names.

use std::collections::BTreeSet;

use safe_apply::exec::Run;
use safe_apply::netns::{NetNs, interface_names};

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn interfaces_have_the_names_asked_for() {
    let wanted = names(&["lo", "eth0", "eth0.100", "fifteen-letters"]);
    let namespace = NetNs::host_like(&wanted).unwrap();
    let found = namespace.enter(|| interface_names().unwrap()).unwrap();
    assert!(found.is_superset(&wanted), "{found:?}");
    // Loopback is up: a connection to it is refused, not unreachable.
    let refused = namespace
        .enter(|| {
            std::net::TcpStream::connect("127.0.0.1:9")
                .unwrap_err()
                .kind()
        })
        .unwrap();
    assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn netdev_chains_and_flowtables_load() {
    let namespace = NetNs::host_like(&names(&["wan0", "lan0"])).unwrap();
    let script = "table netdev t {\n chain c {\n type filter hook ingress device wan0 priority 0;\n }\n}\ntable inet u {\n flowtable f {\n hook ingress priority 0; devices = { wan0, lan0 };\n }\n}\n";
    let loaded = namespace.enter(|| {
        let nft = Run::tool("nft").unwrap();
        nft.args(["-f", "-"]).stdin(script).success()
    });
    loaded.unwrap().unwrap();
}

#[test]
fn impossible_names_are_named() {
    for name in ["sixteen--letters", "sla/sh"] {
        let error = NetNs::host_like(&names(&[name])).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn the_callers_namespace_stays() {
    let before = interface_names().unwrap();
    drop(NetNs::host_like(&names(&["nowhere9"])).unwrap());
    assert_eq!(interface_names().unwrap(), before);
    assert!(!before.contains("nowhere9"));
}
