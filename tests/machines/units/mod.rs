//! The units: what systemd does to a guardian, and a guardian under systemd.

mod boot;
mod guardian;
mod hardening;
mod log;
mod shutdown;
mod watchdog;

use std::cell::RefCell;

use crate::lab::{Client, Machine, eventually};

/// The rules from before: everybody gets in, and one rule has counters.
pub const BEFORE: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment BEFORE -j ACCEPT
-A FORWARD -d 192.0.2.3/32 -j DROP
COMMIT
";
/// Rules that let nobody in.
pub const BAD: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 2022 -m comment --comment MISTAKE -j ACCEPT
COMMIT
";
/// Rules that are right.
pub const GOOD: &str = "*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment GOOD -j ACCEPT
COMMIT
";

/// A machine whose rules are [`BEFORE`].
pub struct Guarded {
    pub machine: Machine,
    before: RefCell<String>,
}

/// A change that is pending.
pub struct Pending {
    pub client: Client,
    pub id: String,
    pub unit: String,
}

impl Guarded {
    pub fn new(machine: Machine) -> Self {
        for (name, rules) in [("before.v4", BEFORE), ("bad.v4", BAD), ("good.v4", GOOD)] {
            machine.share_file(name, rules);
        }
        machine.exec("iptables-restore /lab/before.v4").exits(0);
        let guarded = Self {
            machine,
            before: RefCell::default(),
        };
        guarded.before.replace(guarded.rules());
        guarded
    }

    /// All rules, without the comments that hold the time.
    pub fn rules(&self) -> String {
        let all = "nft list ruleset; iptables-legacy-save; ip6tables-legacy-save; ipset save";
        let printed = self.machine.exec(&format!("{{ {all}; }} 2>&1")).out;
        let kept = printed.lines().filter(|line| !line.starts_with('#'));
        kept.map(|line| format!("{line}\n")).collect()
    }

    /// Applies as root over ssh, and waits until the rules are live.
    #[track_caller]
    pub fn apply(&self, arguments: &str) -> Pending {
        let command = format!("safe-apply --json --force {arguments}");
        self.live(self.machine.login("root").start(&command))
    }

    #[track_caller]
    pub fn live(&self, mut client: Client) -> Pending {
        let live = client.wait("live");
        let id = live["transaction"].as_str().unwrap().to_owned();
        Pending {
            client,
            unit: format!("safe-apply-guardian@{id}.service"),
            id,
        }
    }

    /// The value of a property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        let shown = self
            .machine
            .exec(&format!("systemctl show --property={name} --value {unit}"));
        shown.exits(0).out.trim_end().to_owned()
    }

    /// Waits until a property of a unit has a value.
    #[track_caller]
    pub fn becomes(&self, unit: &str, name: &str, value: &str) {
        eventually(&format!("{name} of {unit} is {value}"), || {
            self.property(unit, name) == value
        });
    }

    /// Insists that the rules are those from before and that a new login gets in.
    #[track_caller]
    pub fn is_as_before(&self) {
        assert_eq!(self.rules(), *self.before.borrow());
        assert!(self.machine.can_login());
    }

    /// How the newest transaction ended, and why.
    pub fn newest(&self) -> serde_json::Value {
        let printed = self.machine.exec("safe-apply history --json").exits(0).out;
        let history: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
        history.last().expect("a transaction").clone()
    }

    /// The pending transaction, or null.
    pub fn pending(&self) -> serde_json::Value {
        let printed = self.machine.exec("safe-apply status --json").out;
        let status: serde_json::Value = serde_json::from_str(&printed).unwrap();
        status["pending"].clone()
    }
}
