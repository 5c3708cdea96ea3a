//! Not one packet that the old and the new rules both drop passes during apply or rollback.

use crate::lab::{Backend, Lab, assert_same, eventually};

/// Rules that drop by policy, with `count` rules for other hosts.
fn rules(count: u32, mark: &str) -> String {
    let mut text =
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n".to_owned();
    for number in 0..count {
        let (high, low) = (number / 250, number % 250);
        text += &format!("-A INPUT -s 10.1.{high}.{low}/32 -m comment --comment {mark} -j DROP\n");
    }
    text + "-A INPUT -p tcp -m multiport --dports 22,2222 -j ACCEPT\nCOMMIT\n"
}

#[test]
fn nothing_leaks_while_rules_go_live_and_back_on_nf_tables() {
    for (count, rounds) in [(10, 15), (5000, 4)] {
        let lab = Lab::new(Backend::Nft);
        let flood = lab.flood();
        eventually("the flood gets through without rules", || {
            flood.received() > 0
        });
        let old = lab.file("old.v4", rules(count, "old"));
        let new = lab.file("new.v4", rules(count + 5, "new"));
        lab.server(&format!("iptables-restore {old}")).exits(0);
        let before = lab.rules();
        // What was queued before the rules may still be counted.
        let settled = || flood.received();
        let mut last = settled();
        eventually("the old rules stop the flood", || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            std::mem::replace(&mut last, settled()) == last
        });
        let (sent, received) = (flood.sent(), flood.received());
        for _ in 0..rounds {
            let apply = format!("safe-apply --detach --force --timeout 600 {new}");
            lab.server(&apply).exits(0);
            lab.server("safe-apply rollback").exits(0);
        }
        assert_eq!(
            flood.received() - received,
            0,
            "packets leaked at {count} rules"
        );
        assert!(flood.sent() - sent > 1000, "the flood stopped");
        assert_same(&lab.rules(), &before);
    }
}
