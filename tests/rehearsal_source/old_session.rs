//! Remedies for a session that is there already.

use std::net::SocketAddr;

use safe_apply::candidate::{Kind, Resolved};
use safe_apply::checkpoint::Part;
use safe_apply::legacy;
use safe_apply::nftables::TableId;
use safe_apply::rehearsal::report::Remedy;
use safe_apply::rehearsal::source::{Sources, decision, remedy};
use safe_apply::rehearsal::{Flow, Protocol};

use crate::kernel::{candidates, load_here, spot};
use crate::lab::{BLOCKED, Lab, PORT, SERVER_V4, STRANGER_V4, USER_V4, echo};
use crate::paste::paste;

/// Opens a session under `before`, loads `after`, which has a policy of DROP, and does what the
/// remedy says.
fn keep_session(before: &str, after: (&str, &str), backend: Resolved, part: &Part, chain: &str) {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let load = |name: &str, text: &str| {
        let files = candidates(dir.path(), &[(name, text)]);
        let loaded = lab
            .server
            .enter(|| load_here(&files, backend, false, &lock));
        loaded.unwrap().unwrap();
        files
    };
    load("before", before);
    let session = lab.connect(USER_V4).unwrap();
    let files = load(after.0, after.1);
    session.set_read_timeout(Some(BLOCKED)).unwrap();
    echo(&session).unwrap_err();

    let sources = Sources::parse(&files, backend, false);
    let flow = Flow {
        protocol: Protocol::Tcp,
        source: SocketAddr::new(USER_V4.parse().unwrap(), 40000),
        destination: SocketAddr::new(SERVER_V4.parse().unwrap(), PORT),
    };
    let found = decision(&spot(part, chain, None), &sources, 1, 0);
    let kinds: Vec<Kind> = files.iter().map(|file| file.kind).collect();
    let all = remedy(&found, Some(&flow), true, &sources, &kinds).unwrap();
    assert_eq!(all.lines.len(), 2, "{all:?}");
    let pasted = |remedy: &Remedy| {
        let path = dir.path().join(after.0).display().to_string();
        let mut file = [(path, after.1.to_owned())];
        paste(remedy, &mut file);
        file[0].1.clone()
    };
    // The first line is what the session needs, the second what a new one needs.
    let first = Remedy {
        lines: all.lines[..1].to_vec(),
        ..all.clone()
    };
    load(after.0, &pasted(&first));
    // What was lost is sent again after a while.
    assert!((0..100).any(|_| echo(&session).is_ok()));
    assert!(lab.is_blocked(USER_V4));
    load(after.0, &pasted(&all));
    assert!(lab.connect(USER_V4).is_some());
    assert!(lab.is_blocked(STRANGER_V4));
}

#[test]
fn iptables() {
    let before =
        "*filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";
    let after = "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 2222 -j ACCEPT\nCOMMIT\n";
    let nft = Part::Nft(TableId {
        family: 2,
        name: "filter".to_owned(),
    });
    let legacy = Part::Legacy(legacy::Family::V4, "filter".to_owned());
    for (backend, part) in [(Resolved::Nft, nft), (Resolved::Legacy, legacy)] {
        keep_session(before, ("rules", after), backend, &part, "INPUT");
    }
}

#[test]
fn nft() {
    let before = "table inet t {\n chain input {\n  type filter hook input priority 0;\n  ct state invalid drop\n }\n}\n";
    let after = "flush ruleset\ntable inet t {\n chain input {\n  type filter hook input priority 0; policy drop;\n  tcp dport 2222 accept\n }\n}\n";
    let part = Part::Nft(TableId {
        family: 1,
        name: "t".to_owned(),
    });
    keep_session(before, ("rules.nft", after), Resolved::Nft, &part, "input");
}
