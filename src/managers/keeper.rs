//! Who keeps a change across a reboot.

use std::collections::BTreeSet;

use super::{Manager, Managers};
use crate::candidate::Kind;

/// Who keeps rules of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The file that is loaded at boot; or would be, were its service enabled.
    File,
    /// A program that a rule file means nothing to.
    Manager(Manager),
}

/// Who keeps rules of `kind` on this host: a service that loads them at boot, before a manager
/// that makes its own.
#[must_use]
pub fn keeper(managers: &Managers, kind: Kind) -> Keeper {
    if managers.loader(kind).is_some() {
        return Keeper::File;
    }
    let keeps = |manager: Manager| match (manager, kind) {
        // Its unit conflicts with those that load rule files.
        (Manager::Firewalld, _)
        // ufw breaks netfilter-persistent, which loads sets too (package relations of Debian).
        | (Manager::Ufw, Kind::IptablesV4 | Kind::IptablesV6 | Kind::Ipset)
        | (Manager::Shorewall, Kind::IptablesV4)
        | (Manager::Shorewall6, Kind::IptablesV6) => true,
        (Manager::Ufw | Manager::Shorewall | Manager::Shorewall6, _) => false,
    };
    let mut working = managers.working.iter().map(|one| one.manager);
    working
        .find(|one| keeps(*one))
        .map_or(Keeper::File, Keeper::Manager)
}

/// Why rule files of `kinds` cannot be made to survive a reboot here, and the way out; `None` where
/// they can.
#[must_use]
pub fn no_keeper(managers: &Managers, kinds: &BTreeSet<Kind>) -> Option<String> {
    kinds.iter().find_map(|kind| match keeper(managers, *kind) {
        Keeper::File => None,
        Keeper::Manager(manager) => {
            let evidence = managers.evidence_of(manager).unwrap_or_default();
            let (name, instead) = (manager.name(), manager.instead());
            Some(format!(
                "--persist cannot keep this: {name} manages the rules of this host ({evidence}), and nothing loads a file with {kind} at boot beside it. Let {name} make the change: {instead}; or write a file that you load yourself: --persist=FILE"
            ))
        }
    })
}
