//! What an outcome still demands: persisting, hooks.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::core::Core;
use super::hook;
use crate::candidate::{Kind, Resolved};
use crate::checkpoint::Part;
use crate::cli::Backend;
use crate::legacy::Family;
use crate::paths::Paths;
use crate::persist::{self, Source};
use crate::protocol::Notice;
use crate::transaction::journal::Detail;
use crate::transaction::store::{Persist, Work};

/// How many differences a journal line holds.
const LINES_MAX: usize = 100;

/// `lines`, cut to what a journal line holds.
#[must_use]
pub fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let surplus = lines.len().saturating_sub(LINES_MAX);
    if surplus > 0 {
        lines.truncate(LINES_MAX);
        lines.push(format!("… and {surplus} more"));
    }
    lines
}

/// Persists if asked to, runs the hook, closes.
pub fn commit(core: &mut Core, paths: &Paths) {
    if let Some(place) = core.meta.persist.clone() {
        let file = match &place {
            Persist::BootFiles => None,
            Persist::File(file) => Some(file.as_path()),
        };
        match persist(core, paths, file) {
            Ok(notices) => notices.into_iter().for_each(|notice| core.announcer.say(notice)),
            Err(error) => core.warn(format!(
                "the new rules are live and confirmed, but could not be persisted: {error:#}; after a reboot the old ones are back"
            )),
        }
    }
    hook::run(core, core.meta.on_commit.clone(), "committed");
    close(core);
}

/// Runs the hook, closes.
pub fn rollback(core: &mut Core) {
    core.boot_files.note_after(&core.transaction);
    hook::run(core, core.meta.on_rollback.clone(), core.state.name());
    close(core);
}

/// Marks the transaction as needing nothing more.
pub fn close(core: &mut Core) {
    let detail = Detail {
        finished: true,
        ..core.detail()
    };
    core.note(detail);
}

fn persist(core: &Core, paths: &Paths, file: Option<&std::path::Path>) -> Result<Vec<Notice>> {
    let native = persist::native_tables()?;
    let (kinds, backend) = kinds(core, &native);
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
    Ok(written
        .into_iter()
        .map(|one| Notice::Persisted {
            path: one.path.display().to_string(),
            backup: one.backup.map(|path| path.display().to_string()),
        })
        .chain(notes)
        .collect())
}

/// The nf_tables tables that the change touched, as (family, name).
fn touched_tables(core: &Core) -> impl Iterator<Item = (String, String)> + '_ {
    core.touched.iter().filter_map(|part| match part {
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
