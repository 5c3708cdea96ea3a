//! Tables beside `filter`.

use proptest::collection::vec;
use proptest::prelude::*;

use super::iptables::rule;
use super::{Family, one_of};

/// A table other than filter, from lines that fit it.
fn table(
    name: &'static str,
    chains: &'static [&'static str],
    lines: BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    vec(lines, 1..4)
        .prop_map(move |lines| {
            let chains: String = chains
                .iter()
                .map(|chain| format!(":{chain} ACCEPT [0:0]\n"))
                .collect();
            format!("*{name}\n{chains}{}COMMIT\n", lines.concat())
        })
        .boxed()
}

pub fn raw(family: Family) -> BoxedStrategy<String> {
    let rules = (
        one_of(&["PREROUTING", "PREROUTING", "OUTPUT"]),
        rule(
            family,
            Just(String::new()).boxed(),
            one_of(&[
                "-j CT --notrack",
                "-j CT --notrack",
                "-j DROP",
                "-j ACCEPT",
                "-j CT --zone 3",
            ]),
        ),
    );
    let lines = rules.prop_map(|(chain, mut rule)| {
        // Nothing has a state yet.
        rule.matches
            .retain(|one| !one.contains("state") && !one.contains("connmark"));
        if rule.action.contains("REJECT") {
            rule.action = "-j DROP".to_owned();
        }
        rule.line(&chain)
    });
    table("raw", &["PREROUTING", "OUTPUT"], lines.boxed())
}

pub fn mangle(family: Family) -> BoxedStrategy<String> {
    let actions = one_of(&[
        "-j MARK --set-xmark 0x1/0xffffffff",
        "-j MARK --set-xmark 0x2/0xffffffff",
        "-j CONNMARK --set-xmark 0x2/0xffffffff",
        "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        "-j DROP",
        "-j ACCEPT",
        "-j DSCP --set-dscp 0x04",
    ]);
    let chain = one_of(&["PREROUTING", "PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]);
    let lines = (chain, rule(family, Just(String::new()).boxed(), actions)).prop_map(
        |(chain, mut rule)| {
            if rule.action.contains("REJECT") {
                rule.action = "-j MARK --set-xmark 0x1/0xffffffff".to_owned();
            }
            rule.line(&chain)
        },
    );
    let chains = &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
    table("mangle", chains, lines.boxed())
}

pub fn nat(family: Family) -> BoxedStrategy<String> {
    let (lines, net) = match family {
        Family::V4 => (
            "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 198.51.100.2:443\n",
            "198.51.100.2",
        ),
        Family::V6 => (
            "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [2001:db8::2]:443\n",
            "2001:db8::2",
        ),
    };
    let snat = format!("-A POSTROUTING -o eth0 -j SNAT --to-source {net}\n");
    let lines = one_of(&[
        "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\n",
        "-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222\n",
        "-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 80\n",
        "-A PREROUTING -i eth0 -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 80\n",
        "-A POSTROUTING -o eth0 -j MASQUERADE\n",
        "-A OUTPUT -p udp -m udp --dport 53 -j REDIRECT --to-ports 53\n",
        lines,
        snat.as_str(),
    ]);
    table(
        "nat",
        &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        lines,
    )
}
