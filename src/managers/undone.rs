//! What the programs of this host will undo of a change, and what to do instead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Loader, Manager, Managers};
use crate::candidate::Kind;
use crate::checkpoint::{Part, owner_of};
use crate::legacy::Family;

/// Address families of nf_tables tables (`NFPROTO_*` in linux/netfilter.h).
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// The tables of iptables(8).
const IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

/// A change, as far as it matters here.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// What it touches.
    pub touched: &'a [Part],
    /// The kinds of rules in it that no boot loads from the file that they came from.
    pub kinds: BTreeSet<Kind>,
    /// Whether it is written to where this system loads rules at boot.
    pub persist: bool,
    /// The command that makes it; none for rule files.
    pub command: Option<&'a str>,
    /// The files that the command has changed, of those that are loaded at boot.
    pub written: &'a [PathBuf],
}

impl Change<'_> {
    fn mentions(&self, word: &str) -> bool {
        self.command.is_some_and(|command| command.contains(word))
    }

    fn wrote(&self, directory: &str) -> bool {
        self.written.iter().any(|path| path.starts_with(directory))
    }

    fn touches(&self, wanted: impl Fn(&Part) -> bool) -> bool {
        self.touched.iter().any(wanted)
    }
}

/// Whether `part` is a table of firewalld's own, which means nothing to anybody else.
#[must_use]
pub fn is_firewallds(part: &Part) -> bool {
    matches!(part, Part::Nft(_)) && owner_of(part, "") == Some(Manager::Firewalld.name())
}

/// The kind of rules that `part` holds.
#[must_use]
pub fn kind_of(part: &Part) -> Kind {
    match part {
        Part::Set(_) => Kind::Ipset,
        Part::Legacy(Family::V4, _) => Kind::IptablesV4,
        Part::Legacy(Family::V6, _) => Kind::IptablesV6,
        Part::Nft(id) if IPTABLES.contains(&id.name.as_str()) => match id.family {
            IPV4 => Kind::IptablesV4,
            IPV6 => Kind::IptablesV6,
            _ => Kind::Nft,
        },
        Part::Nft(_) => Kind::Nft,
    }
}

/// The kinds of rules that a command has changed, other programs' own tables and sets aside.
#[must_use]
pub fn kinds_of(touched: &[Part]) -> BTreeSet<Kind> {
    let own = |part: &&Part| match part {
        Part::Nft(_) => owner_of(part, "").is_none(),
        Part::Set(name) => owner_of(part, name).is_none(),
        Part::Legacy(..) => true,
    };
    touched.iter().filter(own).map(kind_of).collect()
}

/// One line for each program that undoes the change, or some of it, at its next reload, restart or
/// at boot. Nothing where the change lasts.
#[must_use]
pub fn undone(managers: &Managers, change: &Change<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(evidence) = managers.evidence_of(Manager::Firewalld) {
        lines.extend(by_firewalld(evidence, change));
    }
    for manager in [Manager::Ufw, Manager::Shorewall, Manager::Shorewall6] {
        if let Some(evidence) = managers.evidence_of(manager) {
            lines.extend(by_manager(manager, evidence, change));
        }
    }
    if let Some(reason) = &managers.flushes {
        lines.extend(by_flush(reason, change));
    }
    lines.extend(at_boot(managers, change));
    lines
}

fn is_iptables(part: &Part) -> bool {
    matches!(kind_of(part), Kind::IptablesV4 | Kind::IptablesV6)
}

fn by_firewalld(evidence: &str, change: &Change<'_>) -> Option<String> {
    let own = change.touches(is_firewallds);
    if change.mentions("firewall-cmd") || change.wrote(Manager::Firewalld.directory()) {
        let runtime = own && !change.persist && !change.wrote(Manager::Firewalld.directory());
        return runtime.then(|| {
            "firewalld has this change in its runtime configuration only: its next reload, its restart and a boot undo it. To keep it: --persist, or 'firewall-cmd --runtime-to-permanent' once it is confirmed".to_owned()
        });
    }
    if change.mentions(Manager::Firewalld.name()) {
        return None;
    }
    let instead = Manager::Firewalld.instead();
    if own {
        return Some(format!(
            "table inet firewalld belongs to firewalld ({evidence}), which makes it anew, without this change, at its next reload, at its restart and at boot. Let it make the change: {instead}"
        ));
    }
    change.touches(is_iptables).then(|| {
        format!(
            "firewalld ({evidence}) empties the iptables tables when it is reloaded, restarted or stopped (firewalld 1.x always, later ones when they have direct rules), whoever made the rules there; policies stay. Let it make the change: {instead}, or use an nft table of your own"
        )
    })
}

fn by_manager(manager: Manager, evidence: &str, change: &Change<'_>) -> Option<String> {
    let (name, directory) = (manager.name(), manager.directory());
    if change.mentions(name) || change.wrote(directory) {
        return None;
    }
    let theirs = |part: &Part| {
        let kind = kind_of(part);
        let table = match part {
            Part::Nft(id) => id.name.as_str(),
            Part::Legacy(_, name) => name.as_str(),
            Part::Set(_) => return false,
        };
        match manager {
            Manager::Ufw => table == "filter" && is_iptables(part),
            Manager::Shorewall => kind == Kind::IptablesV4,
            Manager::Shorewall6 => kind == Kind::IptablesV6,
            Manager::Firewalld => false,
        }
    };
    let instead = manager.instead();
    change.touches(theirs).then(|| match manager {
        Manager::Ufw => format!(
            "ufw ({evidence}) puts its own rules and policies into table filter again at 'ufw reload', 'ufw enable' and at boot. Let it make the change: {instead}; what it has no words for belongs in {directory}/before.rules"
        ),
        Manager::Firewalld | Manager::Shorewall | Manager::Shorewall6 => format!(
            "{name} ({evidence}) makes the iptables tables anew from {directory} at its next start, reload and at boot. Make the change there, then: {instead}"
        ),
    })
}

fn by_flush(reason: &str, change: &Change<'_>) -> Option<String> {
    let own = change.kinds.contains(&Kind::IptablesV4) || change.kinds.contains(&Kind::IptablesV6);
    let in_nft = change.touches(|part| matches!(part, Part::Nft(_)) && is_iptables(part));
    (own && in_nft && !change.mentions("nftables")).then(|| {
        format!(
            "nftables.service empties all of nf_tables, these iptables rules too, when it is stopped or restarted ({reason}). Keep rules in one of the two, or: systemctl disable nftables"
        )
    })
}

/// What a boot loads instead, one line for each service.
fn at_boot(managers: &Managers, change: &Change<'_>) -> Vec<String> {
    let mut by_unit: BTreeMap<&str, Vec<&Loader>> = BTreeMap::new();
    if change.persist {
        return Vec::new();
    }
    for loader in &managers.loaders {
        let file = loader.file.to_string_lossy();
        let known = change.mentions(loader.unit)
            || change.mentions(&file)
            || change.written.contains(&loader.file);
        if change.kinds.contains(&loader.kind) && !known {
            by_unit.entry(loader.unit).or_default().push(loader);
        }
    }
    let line = |(unit, loaders): (&str, Vec<&Loader>)| {
        let files: Vec<String> = loaders
            .iter()
            .map(|one| one.file.display().to_string())
            .collect();
        format!(
            "at boot {unit}.service loads {}, without this change: --persist writes it there once it is confirmed",
            files.join(", ")
        )
    };
    by_unit.into_iter().map(line).collect()
}
