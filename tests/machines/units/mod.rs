//! The units: what systemd does to a guardian, and a guardian under systemd.

mod boot;
mod guardian;
mod hardening;
mod log;
mod shutdown;
mod watchdog;

use crate::lab::{Client, Machine, Spec, eventually};
use crate::rules::{bad, good, rules};

/// A machine that holds its rules from before.
pub struct Guarded {
    pub machine: Machine,
    before: String,
}

/// A change that is pending.
pub struct Pending {
    pub client: Client,
    pub id: String,
    pub unit: String,
}

impl Guarded {
    #[track_caller]
    pub fn new(spec: Spec) -> Self {
        let machine = spec.boot();
        // Candidates, as /lab/bad.v4 and /lab/good.v4.
        bad(&machine);
        good(&machine);
        let before = rules(&machine);
        Self { machine, before }
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
        assert_eq!(rules(&self.machine), self.before);
        assert!(self.machine.can_login());
    }
}

/// The file that changes settings of guardians' units in this boot.
pub const DROP_IN: &str = "/run/systemd/system/safe-apply-guardian@.service.d/test.conf";

impl Guarded {
    /// Changes settings of the guardians to come.
    #[track_caller]
    pub fn set(&self, settings: &str) {
        let settings = format!("[Service]\n{settings}\n");
        let from = self.machine.share_file("test.conf", settings);
        self.machine
            .exec(&format!(
                "install -D -m 0644 {from} {DROP_IN} && systemctl daemon-reload"
            ))
            .exits(0);
    }
}
