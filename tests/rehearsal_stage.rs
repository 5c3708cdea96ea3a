//! Stages: two namespaces that look like a host and its world.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // helpers of tests, not only tests

#[path = "rehearsal_stage/model.rs"]
mod model;

use std::collections::BTreeSet;

use model::*;
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::stage::Stage;

#[test]
fn smoke() {
    let outer = NetNs::scratch().unwrap();
    outer.enter(|| {
        for n in 0..5 {
            let t = std::time::Instant::now();
            let stage = Stage::build(&plain(), &[ip("203.0.113.9"), ip("2001:db8:9::9")], &BTreeSet::new()).unwrap();
            println!("{:?}", t.elapsed());
            if n == 0 {
                for (ns, name) in [(stage.server(), "server"), (stage.world(), "world")] {
                    ns.enter(|| {
                        println!("--- {name}");
                        std::process::Command::new("sh").args(["-c", "ip -d link; ip addr; ip route; ip -6 route; ip ntable | head -20"]).status().unwrap();
                    }).unwrap();
                }
                println!("{:?}\n{:?} {:?}", stage.limits(), stage.wire_to(ip("203.0.113.9")), stage.doubt(ip("203.0.113.9")));
            }
        }
    }).unwrap();
}
