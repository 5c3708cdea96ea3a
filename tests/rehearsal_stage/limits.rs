//! What no stage can have.

use std::collections::BTreeSet;

use safe_apply::rehearsal::stage::{Error, Stage};

use crate::lab::on_stage_with;
use crate::model::plain;

#[test]
fn ipsec_is_told() {
    let lines = ["ip xfrm policy add src 10.0.0.0/8 dst 10.0.0.0/8 dir out action block"];
    let stage = on_stage_with(&plain(), &[], &lines, &[]);
    assert!(stage.limits()[0].contains("IPsec"), "{:?}", stage.limits());
}

#[test]
fn without_privilege_there_is_no_stage() {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    // Capabilities belong to threads.
    let error = std::thread::spawn(move || {
        set_capabilities(None, none).unwrap();
        Stage::build(&plain(), &[], &BTreeSet::new()).unwrap_err()
    });
    let Error::Namespace(error) = error.join().unwrap() else {
        panic!("not for want of privilege");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}
