//! What cannot be rehearsed faithfully is told.

use std::collections::BTreeSet;

use safe_apply::netns::NetNs;
use safe_apply::rehearsal::host::Link;
use safe_apply::rehearsal::stage::Stage;

use crate::lab::{on_stage, on_stage_with};
use crate::model::{address, host, ip, link, plain};
use crate::{PEER_V4, TWO_UPLINKS, two_uplinks};

#[test]
fn ways_that_are_not_the_hosts_are_doubted() {
    // The model has no policy routing, the host has.
    let mut model = two_uplinks();
    model.policies.clear();
    let stage = on_stage_with(&model, &[PEER_V4], &TWO_UPLINKS, &[]);
    let doubt = stage.doubt_between(ip(PEER_V4), ip("192.0.2.2")).unwrap();
    assert!(doubt.contains("by wan1 via 192.0.2.1"), "{doubt}");
    assert!(doubt.contains("by wan0 via 198.51.100.1"), "{doubt}");
    assert_eq!(stage.doubt_between(ip(PEER_V4), ip("198.51.100.2")), None);
    assert_eq!(stage.doubt(ip(PEER_V4)), Some(doubt));
    // Somebody who was not foreseen, and the host itself.
    assert!(stage.doubt(ip("203.0.113.77")).is_some());
    assert_eq!(stage.wire_to(ip("203.0.113.77")), None);
    assert_eq!(stage.doubt(ip("127.0.0.1")), None);
}

#[test]
fn the_hosts_own_addresses_have_no_wire_and_no_doubt() {
    let stage = on_stage(&plain(), &["198.51.100.2"]);
    assert_eq!(stage.wire_to(ip("198.51.100.2")), None);
    assert_eq!(stage.doubt(ip("198.51.100.2")), None);
}

#[test]
fn no_way_at_all_is_a_doubt() {
    let model = host(
        vec![link(2, "ens3")],
        vec![address(2, "198.51.100.2/24")],
        vec![],
    );
    let stage = on_stage(&model, &[PEER_V4]);
    let doubt = stage.doubt(ip(PEER_V4)).unwrap();
    assert!(doubt.contains("no way to 203.0.113.9"), "{doubt}");
    assert_eq!(stage.wire_to(ip(PEER_V4)), None);
}

#[test]
fn rules_at_ports_that_nothing_passes_are_a_doubt() {
    let mut model = plain();
    if let Some(bridge) = model.links.get_mut(&2) {
        bridge.kind = Some("bridge".to_owned());
    }
    let port = Link {
        master: Some(2),
        ..link(4, "enp1s0")
    };
    model.links.insert(4, port);
    assert_eq!(on_stage(&model, &[PEER_V4]).doubt(ip(PEER_V4)), None);
    let stage = on_stage_with(&model, &[PEER_V4], &[], &["enp1s0"]);
    let doubt = stage.doubt(ip(PEER_V4)).unwrap();
    assert!(
        doubt.contains("enp1s0") && doubt.contains("ens3"),
        "{doubt}"
    );
}

#[test]
fn rules_at_what_a_vlan_may_be_part_of_are_a_doubt() {
    let mut model = plain();
    model.links.insert(4, link(4, "enp1s0"));
    if let Some(vlan) = model.links.get_mut(&2) {
        vlan.kind = Some("vlan".to_owned());
    }
    let of = |device| on_stage_with(&model, &[PEER_V4], &[], &[device]).doubt(ip(PEER_V4));
    assert_eq!(of("ens3"), None);
    assert!(of("enp1s0").unwrap().contains("enp1s0"));
}

#[test]
fn interfaces_that_cannot_be_made_are_a_doubt() {
    // The kernel refuses the second of the same name.
    let mut model = two_uplinks();
    model.policies.clear();
    for index in [2, 3] {
        model.links.insert(index, link(index, "wan0"));
    }
    let outer = NetNs::scratch().unwrap();
    let build = || Stage::build(&model, &[ip(PEER_V4), ip("192.0.2.7")], &BTreeSet::new());
    let stage = outer.enter(build).unwrap().unwrap();
    assert!(
        stage.limits()[0].starts_with("interface wan0: "),
        "{:?}",
        stage.limits()
    );
    assert_eq!(stage.wire_to(ip(PEER_V4)).as_deref(), Some("w2"));
    assert_ne!(stage.wire_to(ip("192.0.2.7")).as_deref(), Some("w3"));
    assert!(stage.doubt(ip("192.0.2.7")).is_some());
}
