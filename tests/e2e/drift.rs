//! What others change while rules wait for their confirmation.

use crate::lab::{Backend, Lab, assert_same, on_both_backends};

on_both_backends!(
    changes_in_tables_the_candidate_did_not_touch_stay,
    changes_in_the_same_table_are_reported_and_saved,
    changes_in_the_window_stay_on_commit,
);

fn changes_in_tables_the_candidate_did_not_touch_stay(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.server(
        "set -e; nft 'table ip container { chain fresh { ip saddr 192.0.2.201 drop; }; }'; \
         nft add element inet native banned { 192.0.2.202 }; \
         ip6tables -A FORWARD -m comment --comment 192.0.2.203 -j DROP; \
         ipset create container hash:ip; ipset add old 192.0.2.204",
    )
    .exits(0);
    lab.server("safe-apply rollback").exits(0);
    let ended = client.ends().with(4, "rolled_back");
    let last = ended.outcome();
    assert_eq!(
        last["drift"],
        serde_json::json!([]),
        "nothing of others was overwritten"
    );
    let after = lab.rules();
    for mark in [
        "192.0.2.201",
        "192.0.2.202",
        "192.0.2.203",
        "create container",
        "192.0.2.204",
    ] {
        assert!(after.contains(mark), "{mark} is lost: {after:?}");
    }
    assert!(after.contains("OLD") && !after.contains("GOODv4"));
    lab.server(
        "set -e; nft delete table ip container; \
         nft delete element inet native banned { 192.0.2.202 }; \
         ip6tables -D FORWARD -m comment --comment 192.0.2.203 -j DROP; \
         ipset destroy container; ipset del old 192.0.2.204",
    )
    .exits(0);
    assert_same(&lab.rules(), &before);
}

fn changes_in_the_same_table_are_reported_and_saved(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.server("iptables -A INPUT -s 192.0.2.205 -j DROP")
        .exits(0);
    lab.server("safe-apply rollback").exits(0);
    let ended = client.ends().with(4, "rolled_back");
    assert_same(&lab.rules(), &before);
    let last = ended.outcome();
    let lines = last["drift"].as_array().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.as_str().unwrap().contains("filter")),
        "{last}"
    );
    let drift = ended.all("drift");
    assert_eq!(drift.len(), 1, "{ended:#?}");
    let saved = drift[0]["saved"].as_str().unwrap();
    assert!(
        saved.starts_with("/var/lib/safe-apply/transactions/"),
        "{saved}"
    );
    lab.server(&format!("find '{saved}' -type f -size +0 | grep ."))
        .exits(0);
    let id = last["transaction"].as_str().unwrap();
    lab.server(&format!("safe-apply show {id}"))
        .exits(0)
        .says("filter");
}

fn changes_in_the_window_stay_on_commit(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.server("iptables -A INPUT -s 192.0.2.206 -j DROP")
        .exits(0);
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    let after = lab.rules();
    assert!(
        after.contains("192.0.2.206") && after.contains("GOODv4"),
        "{after:?}"
    );
}

#[test]
fn a_table_owned_by_another_process_is_left_alone() {
    let lab = Lab::with_rules(Backend::Nft);
    // Holds the table for as long as its standard input is open.
    let owner = "mkfifo /tmp/hold; exec 9<>/tmp/hold; \
                 (echo 'add table ip owned { flags owner; }'; echo 'add chain ip owned kept'; cat <&9) \
                 | setsid nft -i >/dev/null 2>&1 & \
                 until nft list ruleset | grep -q 'flags owner'; do sleep 0.02; done";
    lab.server(owner).exits(0);
    let before = lab.rules();
    assert!(before.contains("flags owner"));
    let mut client = lab.apply(&format!("--force --timeout 1 {}", lab.bad_v4()));
    client.wait("live");
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}
