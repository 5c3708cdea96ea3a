//! Rules in iptables-save format.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::matches::{anywhere, incoming, outgoing, protocols};
use super::{Family, one_of, others};

/// Chains that rules may jump to, each only to later ones.
static CHAINS: [&str; 3] = ["one", "two", "three"];

/// Everything that comes before `-j`, protocol first.
#[derive(Debug, Clone)]
pub struct Rule {
    protocol: Option<String>,
    pub matches: Vec<String>,
    pub action: String,
}

impl Rule {
    pub fn line(&self, chain: &str) -> String {
        let mut line = format!("-A {chain}");
        for word in self.protocol.iter().chain(&self.matches) {
            line += " ";
            line += word;
        }
        format!("{line} {}\n", self.action)
    }
}

fn refusals(family: Family) -> BoxedStrategy<String> {
    match family {
        Family::V4 => one_of(&[
            "-j REJECT",
            "-j REJECT --reject-with icmp-net-unreachable",
            "-j REJECT --reject-with icmp-host-unreachable",
            "-j REJECT --reject-with icmp-proto-unreachable",
            "-j REJECT --reject-with icmp-host-prohibited",
            "-j REJECT --reject-with icmp-admin-prohibited",
        ]),
        Family::V6 => one_of(&[
            "-j REJECT",
            "-j REJECT --reject-with icmp6-no-route",
            "-j REJECT --reject-with icmp6-adm-prohibited",
            "-j REJECT --reject-with icmp6-addr-unreachable",
        ]),
    }
}

/// What a rule of the filter table does; `later`: the chains that it may go to.
fn verdicts(family: Family, later: &'static [&'static str]) -> BoxedStrategy<String> {
    let ends = one_of(&["-j ACCEPT", "-j ACCEPT", "-j ACCEPT", "-j DROP"]);
    let goes_on = one_of(&[
        "-j LOG --log-prefix \"rule: \"",
        "",
        "-j MARK --set-xmark 0x1/0xffffffff",
    ]);
    let moves = (0..later.len().max(1), any::<bool>()).prop_map(move |(at, jump)| {
        let to = later.get(at).copied();
        match (to, jump) {
            (Some(to), true) => format!("-j {to}"),
            (Some(to), false) => format!("-g {to}"),
            (None, _) => "-j RETURN".to_owned(),
        }
    });
    prop_oneof![6 => ends, 2 => refusals(family), 2 => goes_on, 2 => moves].boxed()
}

/// Each address may be named once.
fn once_each(device: Option<String>, more: Vec<String>) -> Vec<String> {
    let flag = |one: &String| {
        one.trim_start_matches("! ")
            .get(..3)
            .unwrap_or_default()
            .to_owned()
    };
    let mut matches: Vec<String> = device.into_iter().collect();
    for one in more {
        let taken = matches.iter().any(|other| flag(other) == flag(&one));
        if flag(&one) == "-m " || !taken {
            matches.push(one);
        }
    }
    matches
}

pub fn rule(
    family: Family,
    device: BoxedStrategy<String>,
    action: BoxedStrategy<String>,
) -> BoxedStrategy<Rule> {
    let matches = (weighted(0.3, device), vec(anywhere(family), 0..3))
        .prop_map(|(device, more)| once_each(device, more));
    let plain = (weighted(0.6, protocols(family)), matches, action).prop_map(
        |(protocol, matches, action)| Rule {
            protocol,
            matches,
            action,
        },
    );
    let reset = (0..2_usize).prop_map(|port| Rule {
        protocol: Some(["-p tcp -m tcp --dport 22", "-p tcp"][port].to_owned()),
        matches: Vec::new(),
        action: "-j REJECT --reject-with tcp-reset".to_owned(),
    });
    prop_oneof![15 => plain, 1 => reset].boxed()
}

/// What most people begin with.
fn beginning(family: Family, live: bool) -> BoxedStrategy<String> {
    let often = if live { 0.95 } else { 0.75 };
    let icmp = match family {
        Family::V4 => "-A INPUT -p icmp -j ACCEPT\n",
        Family::V6 => "-A INPUT -p ipv6-icmp -j ACCEPT\n",
    };
    let lines = [
        ("-A INPUT -i lo -j ACCEPT\n", often),
        (
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n",
            often,
        ),
        (icmp, 0.9),
        (
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n",
            if live { 0.8 } else { 0.4 },
        ),
    ];
    let lines: Vec<_> = lines
        .map(|(line, weight)| weighted(weight, Just(line)))
        .into();
    lines
        .prop_map(|lines| lines.into_iter().flatten().collect())
        .boxed()
}

fn filter(family: Family, live: bool) -> BoxedStrategy<String> {
    let policy = || proptest::sample::select(vec!["ACCEPT", "DROP"]);
    let out_policy = proptest::sample::select(vec!["ACCEPT", "ACCEPT", "ACCEPT", "DROP"]);
    let input = rule(family, incoming(), verdicts(family, &CHAINS));
    let output = rule(family, outgoing(), verdicts(family, &CHAINS));
    let inner: Vec<_> = (0..CHAINS.len())
        .map(|at| {
            vec(
                rule(family, incoming(), verdicts(family, &CHAINS[at + 1..])),
                0..3,
            )
        })
        .collect();
    let most = if live { 3 } else { 7 };
    (
        (policy(), out_policy),
        beginning(family, live),
        vec(input, 0..most),
        vec(output, 0..3),
        inner,
    )
        .prop_map(move |((policy, out_policy), beginning, input, output, inner)| {
            let mut text = format!(
                "*filter\n:INPUT {policy} [0:0]\n:FORWARD {policy} [0:0]\n:OUTPUT {out_policy} [0:0]\n"
            );
            for chain in CHAINS {
                text += &format!(":{chain} - [0:0]\n");
            }
            text += &beginning;
            if out_policy == "DROP" {
                text += "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
                if family == Family::V6 {
                    text += "-A OUTPUT -p ipv6-icmp -j ACCEPT\n";
                }
            }
            text.extend(input.iter().map(|rule| rule.line("INPUT")));
            text.extend(output.iter().map(|rule| rule.line("OUTPUT")));
            for (chain, rules) in CHAINS.iter().zip(&inner) {
                // Inner chains are entered from both sides.
                let fits = |rule: &&Rule| !rule.matches.iter().any(|one| one.contains("-i "));
                text.extend(rules.iter().filter(fits).map(|rule| rule.line(chain)));
            }
            text + "COMMIT\n"
        })
        .boxed()
}

/// Whole files, as `iptables-save` writes them.
pub fn rules(family: Family, live: bool) -> BoxedStrategy<String> {
    (
        weighted(0.12, others::raw(family)),
        weighted(0.2, others::mangle(family)),
        weighted(0.2, others::nat(family)),
        filter(family, live),
    )
        .prop_map(|(raw, mangle, nat, filter)| {
            let others = [raw, mangle, nat].into_iter().flatten();
            others.chain([filter]).collect()
        })
        .boxed()
}
