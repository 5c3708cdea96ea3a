//! Cases with a point of their own, and what becomes of a login.

use std::net::IpAddr;

use safe_apply::candidate::Resolved;

use crate::case::{File, Tool};
use crate::lab::{HOST, HOST_INSIDE, HOST_V6, USER, USER_FAR, USER_INSIDE, USER_V6, USER_V6_FAR};
use crate::probe::Seen;
use crate::texts::{BY_MAC, NATIVE, NO_DISCOVERY, NOTRACK, PLAIN, REDIRECT};

const V4: Tool = Tool::Iptables(Resolved::Nft);
const V6: Tool = Tool::Ip6tables(Resolved::Nft);
const OLD: Tool = Tool::Iptables(Resolved::Legacy);
const OLD_V6: Tool = Tool::Ip6tables(Resolved::Legacy);

fn recent(rule: &str) -> String {
    format!(
        "*filter\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -m recent {rule}\n\
         -A INPUT -p tcp --dport 22 -j DROP\nCOMMIT\n"
    )
}

/// Name, live rules, candidate, user, port dialled, what becomes of a new login.
pub type Special = (
    &'static str,
    Vec<File>,
    Vec<File>,
    (IpAddr, IpAddr, u16),
    Seen,
);

pub fn specials() -> Vec<Special> {
    let file = |tool, text: &str| vec![File::new(tool, text)];
    let near = (USER, HOST, 22);
    let near6 = (USER_V6, HOST_V6, 22);
    let redirected = (USER, HOST, 2222);
    let with_redirect = || vec![File::new(V4, format!("{REDIRECT}{PLAIN}"))];
    let mut all = vec![
        (
            "redirected, and stays so",
            with_redirect(),
            with_redirect(),
            redirected,
            Seen::Open,
        ),
        (
            "redirected no longer",
            with_redirect(),
            file(V4, &format!("*nat\nCOMMIT\n{PLAIN}")),
            redirected,
            Seen::Blocked,
        ),
        (
            "redirected, only the port that was dialled is open",
            with_redirect(),
            file(
                V4,
                &format!(
                    "{REDIRECT}{}",
                    PLAIN.replace("--dport 22", "-m conntrack --ctorigdstport 2222")
                ),
            ),
            redirected,
            Seen::Open,
        ),
        (
            "redirected to where nobody listens",
            file(V4, PLAIN),
            file(
                V4,
                "*nat\n-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2022\nCOMMIT\n*filter\nCOMMIT\n",
            ),
            near,
            Seen::Rejected,
        ),
        (
            "legacy rules stay under new nft rules",
            file(OLD, PLAIN),
            file(Tool::Nft, &NATIVE.replace("tcp dport 22 accept", "accept")),
            near,
            Seen::Open,
        ),
        (
            "legacy rules that close the other port stay",
            file(
                OLD,
                &PLAIN.replace("COMMIT", "-A INPUT -p tcp --dport 443 -j REJECT\nCOMMIT"),
            ),
            file(Tool::Nft, NATIVE),
            near,
            Seen::Open,
        ),
        (
            "nft rules stay under new legacy rules",
            file(
                Tool::Nft,
                &NATIVE.replace("tcp dport 22", "tcp dport { 22, 80 }"),
            ),
            file(OLD, &PLAIN.replace("--dport 22", "--dport 80")),
            near,
            Seen::Blocked,
        ),
        (
            "a script that flushes nothing adds a second drop",
            file(Tool::Nft, &NATIVE.replace("flush ruleset\n", "")),
            file(
                Tool::Nft,
                "table inet fw {\nchain input {\ntcp dport 22 drop\n}\n}\ntable inet more {\nchain input {\ntype filter hook input priority 5; policy accept;\ntcp dport 22 ct state new drop\n}\n}\n",
            ),
            near,
            Seen::Blocked,
        ),
        (
            "dropped at the device",
            file(V4, PLAIN),
            file(
                Tool::Nft,
                "table netdev early {\nchain ingress {\ntype filter hook ingress device eth0 priority 0; policy accept;\ntcp dport 22 tcp flags & (syn|ack) == syn drop\n}\n}\n",
            ),
            near,
            Seen::Blocked,
        ),
        (
            "no ARP",
            file(V4, PLAIN),
            file(
                Tool::Nft,
                "table arp low {\nchain input {\ntype filter hook input priority 0; policy drop;\n}\n}\n",
            ),
            near,
            Seen::Blocked,
        ),
        (
            "no ARP answers go out",
            file(V4, PLAIN),
            file(
                Tool::Nft,
                "table arp low {\nchain output {\ntype filter hook output priority 0; policy drop;\n}\n}\n",
            ),
            near,
            Seen::Blocked,
        ),
        (
            "not tracked, and only tracked ones pass",
            file(V4, PLAIN),
            file(
                V4,
                &format!(
                    "{NOTRACK}{}",
                    PLAIN.replace(
                        "-p tcp --dport 22",
                        "-p tcp --dport 22 -m conntrack --ctstate NEW"
                    )
                ),
            ),
            near,
            Seen::Blocked,
        ),
        (
            "not tracked either way",
            file(OLD, PLAIN),
            file(OLD, &format!("{NOTRACK}{PLAIN}")),
            near,
            Seen::Open,
        ),
        (
            "no list yet, and none needed",
            file(V4, PLAIN),
            file(V4, &recent("--set -j ACCEPT")),
            near,
            Seen::Open,
        ),
        (
            "on the list since the session began",
            file(OLD, &recent("--set --name ssh -j ACCEPT")),
            file(OLD, &recent("--rcheck --name ssh -j ACCEPT")),
            near,
            Seen::Open,
        ),
        (
            "the first of a limit",
            file(V4, PLAIN),
            file(
                V4,
                &PLAIN.replace(
                    "--dport 22",
                    "--dport 22 -m limit --limit 1/hour --limit-burst 1",
                ),
            ),
            near,
            Seen::Open,
        ),
        (
            "one connection at most",
            file(V4, PLAIN),
            file(
                V4,
                &PLAIN.replace("--dport 22", "--dport 22 -m connlimit --connlimit-upto 1"),
            ),
            near,
            Seen::Open,
        ),
        (
            "by hardware address",
            file(V4, PLAIN),
            file(V4, BY_MAC),
            near,
            Seen::Open,
        ),
        (
            "by hardware address, of the gateway",
            file(V4, PLAIN),
            file(V4, BY_MAC),
            (USER_FAR, HOST, 22),
            Seen::Open,
        ),
        (
            "by another hardware address",
            file(V4, PLAIN),
            file(V4, &BY_MAC.replace("77:01", "77:99")),
            near,
            Seen::Blocked,
        ),
        (
            "from the inner network",
            file(V4, PLAIN),
            file(V4, &PLAIN.replace("-p tcp", "-i eth1 -p tcp")),
            (USER_INSIDE, HOST_INSIDE, 22),
            Seen::Open,
        ),
        (
            "the inner network is shut out",
            file(V4, PLAIN),
            file(V4, &PLAIN.replace("-p tcp", "-i eth0 -p tcp")),
            (USER_INSIDE, HOST_INSIDE, 22),
            Seen::Blocked,
        ),
        (
            "from behind the gateway",
            file(V4, PLAIN),
            file(V4, &PLAIN.replace("-p tcp", "-s 203.0.113.0/24 -p tcp")),
            (USER_FAR, HOST, 22),
            Seen::Open,
        ),
        (
            "from behind the gateway, over IPv6",
            vec![],
            file(Tool::Nft, NATIVE),
            (USER_V6_FAR, HOST_V6, 22),
            Seen::Open,
        ),
        (
            "the candidate empties everything",
            file(V4, PLAIN),
            file(Tool::Nft, "flush ruleset\n"),
            near,
            Seen::Open,
        ),
        (
            "logging in as root only",
            file(V4, PLAIN),
            file(
                V4,
                "*filter\n:OUTPUT DROP\n-A OUTPUT -m owner --uid-owner 0 -j ACCEPT\n-A OUTPUT -p tcp --sport 22 -j ACCEPT\nCOMMIT\n",
            ),
            near,
            Seen::Open,
        ),
        (
            "only packets without data",
            file(V4, PLAIN),
            file(
                V4,
                &PLAIN
                    .replace("--dport 22", "--dport 22 -m conntrack --ctstate NEW")
                    .replace(
                        "-m conntrack --ctstate REL",
                        "-m length --length 0:52 -m conntrack --ctstate REL",
                    ),
            ),
            near,
            Seen::Blocked,
        ),
    ];
    for (name, tool) in [
        ("no neighbour discovery, nf_tables", V6),
        ("no neighbour discovery, legacy", OLD_V6),
    ] {
        all.push((name, vec![], file(tool, NO_DISCOVERY), near6, Seen::Blocked));
    }
    all
}
