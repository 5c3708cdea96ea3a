//! Rules before, mistakes and good rules, and how a machine's rules are read.

use crate::lab::{Machine, Spec, eventually};

/// Before: everything is let in; the counters are of no packet that passes here.
pub const BEFORE_V4: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 22 -m comment --comment BEFORE -j ACCEPT
-A INPUT -s 192.0.2.66/32 -j DROP
COMMIT
";
pub const BEFORE_V6: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp --dport 22 -m comment --comment BEFOREv6 -j ACCEPT
COMMIT
";
/// The classic mistake: ssh moved to a port where no sshd listens.
pub const BAD_V4: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 2022 -m comment --comment MISTAKE -j ACCEPT
COMMIT
";
/// New rules that are right.
pub const GOOD_V4: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 22 -m comment --comment GOOD -j ACCEPT
COMMIT
";

/// A server whose rules from before are loaded at boot, in Debian's way.
pub fn server() -> Spec {
    with_rules(Spec::debian())
}

/// The same of another system.
pub fn with_rules(spec: Spec) -> Spec {
    spec.file("/etc/iptables/rules.v4", BEFORE_V4)
        .file("/etc/iptables/rules.v6", BEFORE_V6)
        .enable("netfilter-persistent.service")
}

/// The candidates, as files on the machine.
pub fn bad(machine: &Machine) -> String {
    machine.share_file("bad.v4", BAD_V4)
}

pub fn good(machine: &Machine) -> String {
    machine.share_file("good.v4", GOOD_V4)
}

/// What all the save tools print, without counters.
#[track_caller]
pub fn rules(machine: &Machine) -> String {
    let saves = "set -e -o pipefail; iptables-save; ip6tables-save; iptables-legacy-save
        ip6tables-legacy-save; ipset save; nft --stateless list ruleset";
    let output = machine.exec(saves).exits(0).out;
    let kept = output.lines().filter(|line| !line.starts_with('#'));
    let still = kept.map(|line| line.split(" [").next().unwrap_or_default());
    still.collect::<Vec<_>>().join("\n")
}

/// Waits until the rules are what they were; asks no verb of safe-apply, which would settle
/// what is left over.
#[track_caller]
pub fn come_back(machine: &Machine, before: &str) {
    eventually("the old rules are back", || rules(machine) == before);
}
