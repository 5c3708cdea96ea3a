//! What a change takes away from other programs is said, and nothing else.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::collections::BTreeMap;

use safe_apply::checkpoint::{Snapshot, lost, neighbours};
use safe_apply::exec::Run;
use safe_apply::ipset::parse_save;
use safe_apply::netns::NetNs;

fn nft(script: &str) -> Snapshot {
    NetNs::scratch()
        .unwrap()
        .enter(|| {
            let nft = Run::tool("nft").unwrap().args(["-f", "-"]);
            nft.stdin(script).success().unwrap();
            Snapshot::capture().unwrap()
        })
        .unwrap()
}

fn legacy(filter: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.legacy.v4 = BTreeMap::from([("filter".to_owned(), filter.to_owned())]);
    snapshot
}

fn sets(text: &str) -> Snapshot {
    Snapshot {
        sets: parse_save(text).unwrap(),
        ..Snapshot::default()
    }
}

#[test]
fn chains_that_go_are_named_with_the_way_back() {
    let before = nft(
        "table ip nat { chain DOCKER { ip daddr 192.0.2.1 accept; }; chain mine { accept; }; }
        table ip filter { chain f2b-sshd { drop; }; chain ts-input { accept; }; }",
    );
    let after = nft("table ip nat { chain mine { drop; }; }");
    let lines = neighbours(&before, &after);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].contains("Docker: chain DOCKER in table ip nat is gone"),
        "{lines:?}"
    );
    assert!(lines[0].contains("systemctl restart docker"), "{lines:?}");
    assert!(
        lines[1].contains("fail2ban: chain f2b-sshd in table ip filter"),
        "{lines:?}"
    );
    assert!(lines[2].contains("Tailscale"), "{lines:?}");
}

#[test]
fn chains_that_are_emptied_count_and_those_that_were_empty_do_not() {
    let before = nft("table ip filter { chain DOCKER-USER { return; }; chain DOCKER { }; }");
    let after = nft("table ip filter { chain DOCKER-USER { }; chain DOCKER { }; }");
    let lines = neighbours(&before, &after);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("chain DOCKER-USER in table ip filter is empty"),
        "{lines:?}"
    );
    assert!(!lines[0].contains("chain DOCKER in"), "{lines:?}");
}

#[test]
fn whole_tables_count() {
    for (table, program) in [
        ("inet firewalld", "firewalld"),
        ("inet netavark", "podman"),
        ("ip crowdsec", "CrowdSec"),
        ("inet lxd", "LXD"),
        ("ip libvirt_network", "libvirt"),
    ] {
        let before = nft(&format!("table {table} {{ chain c {{ accept; }}; }}"));
        assert!(neighbours(&before, &before).is_empty());
        let lines = neighbours(&before, &Snapshot::default());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains(&format!("{program}: table {table} is gone")),
            "{lines:?}"
        );
        let emptied = nft(&format!("table {table} {{ chain c {{ }}; }}"));
        assert!(neighbours(&before, &emptied)[0].contains("is empty"));
    }
}

#[test]
fn legacy_chains_and_ipsets_count() {
    let before = legacy(
        "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n[5:300] -A KUBE-SERVICES -j RETURN\nCOMMIT\n",
    );
    let emptied = legacy("*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\nCOMMIT\n");
    let gone = legacy("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    assert!(
        neighbours(&before, &emptied)[0]
            .contains("chain KUBE-SERVICES in iptables-legacy table filter is empty")
    );
    assert!(neighbours(&before, &gone)[0].contains("is gone"));
    assert!(
        neighbours(&gone, &before).is_empty(),
        "what comes takes nothing away"
    );
    let banned = sets("create f2b-sshd hash:ip\nadd f2b-sshd 192.0.2.1\ncreate mine hash:ip\n");
    let lines = neighbours(&banned, &Snapshot::default());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ipset f2b-sshd is gone"), "{lines:?}");
}

#[test]
fn long_lists_are_cut() {
    let chains: String = (0..9)
        .map(|n| format!("chain CNI-{n} {{ accept; }}; "))
        .collect();
    let before = nft(&format!("table ip nat {{ {chains} }}"));
    let lines = neighbours(&before, &Snapshot::default());
    assert!(lines[0].contains("and 5 more"), "{lines:?}");
}

#[test]
fn what_goes_with_a_rollback_is_named_with_the_way_back() {
    let lines = [
        "table ip filter: chain f2b-sshd: 2 rules added".to_owned(),
        "table ip filter: chain mine: 1 rule added".to_owned(),
        "ipset KUBE-LOOP: gone".to_owned(),
        "table ip filter: chain f2b-nginx: 1 rule added".to_owned(),
    ];
    let said = lost(&lines);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("Kubernetes"), "{said:?}");
    assert!(said[1].contains("systemctl restart fail2ban"), "{said:?}");
    assert!(lost(&lines[1..2]).is_empty());
}
