//! Scratch namespaces with interfaces of given names.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeSet;

use safe_apply::exec::Run;
use safe_apply::netns::{NetNs, interface_names, interfaces};

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
fn interfaces_of_the_host_have_its_indexes() {
    let host = NetNs::scratch().unwrap();
    let devices = [("spare0", 7), ("wan0", 9)].map(|(name, index)| (name.to_owned(), index));
    host.furnish(&devices.into()).unwrap();
    let of_host = host.enter(|| interfaces().unwrap()).unwrap();
    let wan = of_host["wan0"];
    let like = host
        .enter(|| NetNs::host_like(&names(&["new0", "wan0"])).unwrap())
        .unwrap();
    let found = like.enter(|| interfaces().unwrap()).unwrap();
    assert_eq!(found["wan0"], wan, "{found:?}");
    like.furnish(&[("spare0".to_owned(), of_host["spare0"])].into())
        .unwrap();
    let found = like.enter(|| interfaces().unwrap()).unwrap();
    assert!(found.contains_key("new0"), "{found:?}");
    assert_eq!(found["spare0"], of_host["spare0"], "{found:?}");
}

#[test]
fn netdev_chains_and_flowtables_load() {
    let namespace = NetNs::host_like(&names(&["wan0", "lan0"])).unwrap();
    let loads = |script: &str| {
        let run = || Run::tool("nft").unwrap().args(["-f", "-"]).stdin(script);
        let output = namespace.enter(|| run().output().unwrap()).unwrap();
        output.status.success()
    };
    assert!(loads(
        "table netdev t {\n chain c {\n type filter hook ingress device wan0 priority 0;\n }\n}\n"
    ));
    // Kernels may be built without flowtables.
    let flowtable = |devices| {
        format!(
            "table inet u {{\n flowtable f {{\n hook ingress priority 0;\n {devices}\n }}\n}}\n"
        )
    };
    if loads(&flowtable("")) {
        assert!(loads(&flowtable("devices = { wan0, lan0 };")));
    }
}

#[test]
fn without_privilege_the_error_says_which_is_missing() {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    // Capabilities belong to threads.
    let error = std::thread::spawn(move || {
        set_capabilities(None, none).unwrap();
        NetNs::host_like(&BTreeSet::new()).unwrap_err()
    });
    let error = error.join().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
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
