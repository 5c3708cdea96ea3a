//! Rules in iptables-save format.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::{Family, one_of, sets};

/// Chains that rules may jump to, each only to later ones.
static CHAINS: [&str; 3] = ["one", "two", "three"];

/// Everything that comes before `-j`, protocol first.
#[derive(Debug, Clone)]
struct Rule {
    protocol: Option<String>,
    matches: Vec<String>,
    action: String,
}

impl Rule {
    fn line(&self, chain: &str) -> String {
        let mut line = format!("-A {chain}");
        for word in self.protocol.iter().chain(&self.matches) {
            line += " ";
            line += word;
        }
        format!("{line} {}\n", self.action)
    }
}

fn protocols(family: Family) -> BoxedStrategy<String> {
    let icmp = match family {
        Family::V4 => one_of(&["-p icmp", "-p icmp -m icmp --icmp-type 8"]),
        Family::V6 => one_of(&["-p ipv6-icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type 128"]),
    };
    let ports = one_of(&[
        "-p tcp -m tcp --dport 22",
        "-p tcp -m tcp --dport 22",
        "-p tcp -m tcp --dport 2222",
        "-p tcp -m tcp ! --dport 22",
        "-p tcp -m tcp --dport 20:80",
        "-p tcp -m tcp --dport 443",
        "-p tcp -m multiport --dports 22,80",
        "-p tcp -m multiport --dports 80,443,8000:9000",
        "-p tcp -m multiport ! --dports 80,443",
        "-p tcp -m multiport --ports 22",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp --sport 1024:65535",
        "-p tcp -m tcp --sport 22",
        "-p tcp",
        "-p udp -m udp --dport 53",
        "-p udp -m udp --sport 53",
        "-p udp -m multiport --dports 53,51820",
        "-p udp",
    ]);
    prop_oneof![6 => ports, 1 => icmp].boxed()
}

/// Matches that hold in any chain.
fn anywhere(family: Family) -> BoxedStrategy<String> {
    let addresses = match family {
        Family::V4 => one_of(&[
            "-s 198.51.100.0/24",
            "-s 198.51.100.1/32",
            "! -s 198.51.100.1/32",
            "-s 203.0.113.0/24",
            "! -s 10.0.0.0/8",
            "-d 198.51.100.2/32",
            "! -d 198.51.100.2/32",
            "-m iprange --src-range 198.51.100.1-198.51.100.9",
            "-m addrtype --dst-type LOCAL",
            "-m addrtype ! --src-type LOCAL",
            "-m ttl --ttl-gt 3",
        ]),
        Family::V6 => one_of(&[
            "-s 2001:db8::/64",
            "-s 2001:db8::1/128",
            "! -s 2001:db8::1/128",
            "-s 2001:db8:fa::/48",
            "-d 2001:db8::2/128",
            "-s fe80::/10",
            "-m addrtype --dst-type LOCAL",
            "-m hl --hl-gt 3",
        ]),
    };
    let states = one_of(&[
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate NEW",
        "-m conntrack ! --ctstate NEW",
        "-m conntrack --ctstate INVALID",
        "-m conntrack --ctstate UNTRACKED",
        "-m conntrack --ctstate NEW,ESTABLISHED",
        "-m conntrack --ctdir REPLY",
        "-m conntrack --ctstate DNAT",
        "-m state --state ESTABLISHED",
        "-m state --state NEW,RELATED",
    ]);
    let marks = one_of(&[
        "-m mark --mark 0x1",
        "-m mark ! --mark 0x1",
        "-m connmark --mark 0x2",
        "-m connmark --mark 0x0",
    ]);
    let odd = one_of(&[
        "-m limit --limit 5/min --limit-burst 3",
        "-m limit --limit 1/hour --limit-burst 1",
        "-m hashlimit --hashlimit-upto 4/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name a",
        "-m hashlimit --hashlimit-above 6/min --hashlimit-burst 5 --hashlimit-mode srcip,dstport --hashlimit-name b",
        "-m recent --set --name seen --rsource",
        "-m recent --update --seconds 60 --hitcount 3 --name seen --rsource",
        "-m recent --rcheck --name seen --rsource",
        "-m connlimit --connlimit-above 1 --connlimit-mask 32",
        "-m length --length 0:100",
        "-m length --length 200:1500",
        "-m comment --comment \"a word\"",
        "-m statistic --mode nth --every 2 --packet 0",
        "-m dscp --dscp 0x04",
        "-m u32 --u32 \"0x0&0xf000000=0x5000000\"",
    ]);
    let asked = sets::questions(family);
    let set = one_of(asked).prop_flat_map(|asked| {
        let is = format!("-m set --match-set {asked}");
        let is_not = format!("-m set ! --match-set {asked}");
        proptest::sample::select(vec![is, is_not])
    });
    prop_oneof![4 => addresses, 4 => states, 1 => marks, 2 => odd, 2 => set].boxed()
}

fn incoming() -> BoxedStrategy<String> {
    one_of(&[
        "-i eth0",
        "-i eth0",
        "! -i eth0",
        "-i eth1",
        "-i lo",
        "! -i lo",
        "-i eth+",
        "-i ens3",
    ])
}

fn outgoing() -> BoxedStrategy<String> {
    one_of(&[
        "-o eth0",
        "! -o lo",
        "-o lo",
        "-m owner --uid-owner 0",
        "-m owner --uid-owner 1000",
    ])
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

fn rule(
    family: Family,
    device: BoxedStrategy<String>,
    action: BoxedStrategy<String>,
) -> BoxedStrategy<Rule> {
    let matches = (weighted(0.3, device), vec(anywhere(family), 0..3))
        .prop_map(|(device, more)| device.into_iter().chain(more).collect::<Vec<_>>());
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

fn raw(family: Family) -> BoxedStrategy<String> {
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

fn mangle(family: Family) -> BoxedStrategy<String> {
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

fn nat(family: Family) -> BoxedStrategy<String> {
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

/// Whole files, as `iptables-save` writes them.
pub fn rules(family: Family, live: bool) -> BoxedStrategy<String> {
    (
        weighted(0.12, raw(family)),
        weighted(0.2, mangle(family)),
        weighted(0.2, nat(family)),
        filter(family, live),
    )
        .prop_map(|(raw, mangle, nat, filter)| {
            let others = [raw, mangle, nat].into_iter().flatten();
            others.chain([filter]).collect()
        })
        .boxed()
}
