//! `--persist`: what is kept after a commit, and how.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::core::Core;
use crate::boot_state;
use crate::candidate::{Kind, Resolved};
use crate::checkpoint::Part;
use crate::cli::Backend;
use crate::exec::Run;
use crate::legacy::Family;
use crate::managers::{self, Keeper, Manager, Managers, is_firewallds};
use crate::paths::Paths;
use crate::persist::{self, Source};
use crate::protocol::Notice;
use crate::transaction::store::Work;

/// Writes the committed rules to `file`, or has them kept in the way of whoever manages this
/// host's rules.
///
/// # Errors
/// Why they are not kept; they are live and confirmed all the same.
pub fn persist(core: &Core, paths: &Paths, file: Option<&Path>) -> Result<Vec<Notice>> {
    let native = persist::native_tables()?;
    let (mut kinds, backend) = kinds(core, &native);
    let mut notices = Vec::new();
    if file.is_none() && matches!(core.meta.work, Work::Command) {
        notices = by_managers(core, paths, &mut kinds)?;
    }
    if kinds.is_empty() && !notices.is_empty() {
        return Ok(notices);
    }
    if kinds.is_empty() {
        return Ok(vec![Notice::Warning {
            message:
                "the rules come from the file that is loaded at boot; nothing had to be written"
                    .to_owned(),
        }]);
    }
    let tables: Vec<(String, String)> = match &core.meta.work {
        Work::Rules { .. } => touched_tables(core).collect(),
        Work::Command => touched_tables(core)
            .filter(|table| native.contains(table))
            .collect(),
    };
    let script = nft_script(core);
    let source = Source {
        kinds: &kinds,
        backend,
        tables: &tables,
        script: script.as_deref(),
    };
    let texts = persist::read_texts(&source)?;
    let plan = persist::plan(paths, &kinds, file, &texts)?;
    let written = persist::write(&plan).context("writing")?;
    let notes = texts.notes.into_iter().chain(plan.notes);
    let notes = notes.map(|message| Notice::Warning { message });
    notices.extend(written.into_iter().map(|one| Notice::Persisted {
        path: one.path.display().to_string(),
        backup: one.backup.map(|path| path.display().to_string()),
    }));
    notices.extend(notes);
    Ok(notices)
}

/// What the managers of this host keep by themselves is taken out of `kinds`. One notice for each.
fn by_managers(core: &Core, paths: &Paths, kinds: &mut BTreeSet<Kind>) -> Result<Vec<Notice>> {
    let managers = Managers::survey(paths);
    let mut keepers: BTreeSet<Manager> = (kinds.iter())
        .filter_map(|kind| match managers::keeper(&managers, *kind) {
            Keeper::File => None,
            Keeper::Manager(manager) => Some(manager),
        })
        .collect();
    if core.touched.iter().any(is_firewallds) && managers.evidence_of(Manager::Firewalld).is_some()
    {
        keepers.insert(Manager::Firewalld);
    }
    kinds.retain(|kind| managers::keeper(&managers, *kind) == Keeper::File);
    keepers
        .into_iter()
        .map(|one| by_manager(core, one))
        .collect()
}

fn by_manager(core: &Core, manager: Manager) -> Result<Notice> {
    let (name, directory) = (manager.name(), manager.directory());
    let path = directory.to_owned();
    let files = &core.boot_files;
    let changed = files.before.as_ref().zip(files.applied.as_ref());
    let wrote = changed.is_some_and(|(before, applied)| {
        let changes = boot_state::changes(before, applied);
        changes.iter().any(|(path, _)| path.starts_with(directory))
    });
    if wrote {
        // Confirmed now, it stays where the command has put it.
        return Ok(Notice::Persisted { path, backup: None });
    }
    if manager == Manager::Firewalld {
        // firewall-cmd(1): what is tried out in the runtime configuration is made permanent so.
        let save = Run::tool("firewall-cmd")?.args(["--runtime-to-permanent"]);
        save.success()?;
        return Ok(Notice::Persisted { path, backup: None });
    }
    Ok(Notice::Warning {
        message: format!(
            "the new rules are live and confirmed, but {name} does not keep them, for the command has changed nothing in {directory}; at {name}'s next reload, or after a reboot, they are gone. {} keeps what it does",
            manager.instead()
        ),
    })
}

/// The nf_tables tables that the change touched, as (family, name).
fn touched_tables(core: &Core) -> impl Iterator<Item = (String, String)> + '_ {
    let own = core.touched.iter().filter(|part| !is_firewallds(part));
    own.filter_map(|part| match part {
        Part::Nft(id) => {
            let named = id.to_string();
            let (family, name) = named.split_once(' ')?;
            Some((family.to_owned(), name.to_owned()))
        }
        Part::Legacy(..) | Part::Set(_) => None,
    })
}

/// The nft script among the rule files, if there is exactly one.
fn nft_script(core: &Core) -> Option<String> {
    let Work::Rules { files, .. } = &core.meta.work else {
        return None;
    };
    let mut scripts = files.iter().filter(|file| file.kind == Kind::Nft);
    let (Some(script), None) = (scripts.next(), scripts.next()) else {
        return None;
    };
    std::fs::read_to_string(core.transaction.file(&script.copy)).ok()
}

/// What is persisted: the formats of the candidate's files that are not loaded at
/// boot themselves, or for a command those of the parts that it changed.
fn kinds(core: &Core, native: &[(String, String)]) -> (BTreeSet<Kind>, Option<Resolved>) {
    if let Work::Rules { files, backend, .. } = &core.meta.work {
        let backend = match backend {
            Backend::Nft => Some(Resolved::Nft),
            Backend::Legacy => Some(Resolved::Legacy),
            Backend::Auto => None,
        };
        let to_write = files.iter().filter(|file| !file.boot_file);
        return (to_write.map(|file| file.kind).collect(), backend);
    }
    let mut kinds = BTreeSet::new();
    let mut backend = None;
    for part in &core.touched {
        match part {
            Part::Set(_) => {
                kinds.insert(Kind::Ipset);
            }
            Part::Legacy(family, _) => {
                backend = Some(Resolved::Legacy);
                kinds.insert(match family {
                    Family::V4 => Kind::IptablesV4,
                    Family::V6 => Kind::IptablesV6,
                });
            }
            Part::Nft(_) => {}
        }
    }
    for table in touched_tables(core) {
        let iptables = !native.contains(&table);
        kinds.insert(match table.0.as_str() {
            "ip" if iptables => Kind::IptablesV4,
            "ip6" if iptables => Kind::IptablesV6,
            _ => Kind::Nft,
        });
    }
    (kinds, backend)
}
