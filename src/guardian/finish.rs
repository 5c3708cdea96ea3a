//! What an outcome still demands: persisting, hooks.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};

use super::core::Core;
use super::work::hook_environment;
use crate::candidate::{Kind, Resolved};
use crate::checkpoint::{Part, Snapshot};
use crate::cli::Backend;
use crate::exec::{Run, describe};
use crate::legacy::Family;
use crate::paths::Paths;
use crate::persist::{self, Source};
use crate::protocol::Notice;
use crate::transaction::journal::Detail;
use crate::transaction::store::Work;

/// How long a hook may take.
const HOOK_MAX: Duration = Duration::from_secs(60);
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
    if let Some(file) = core.meta.persist.clone() {
        match persist(core, paths, file.as_deref()) {
            Ok(notices) => notices.into_iter().for_each(|notice| core.announcer.say(notice)),
            Err(error) => core.warn(format!(
                "the new rules are live and confirmed, but could not be persisted: {error:#}; after a reboot the old ones are back"
            )),
        }
    }
    hook(core, core.meta.on_commit.clone(), "committed");
    close(core);
}

/// Runs the hook, closes.
pub fn rollback(core: &mut Core) {
    hook(core, core.meta.on_rollback.clone(), core.state.name());
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

fn hook(core: &mut Core, command: Option<String>, outcome: &str) {
    let Some(command) = command else { return };
    let mut run = Run::path("/bin/sh").args(["-c", &command]).deadline(HOOK_MAX);
    for (name, value) in hook_environment(&core.transaction, outcome) {
        run = run.env(&name, value);
    }
    match run.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => core.warn(format!(
            "the hook '{command}' failed ({}): {}",
            describe(output.status),
            output.stderr
        )),
        Err(error) => core.warn(format!("the hook '{command}': {error}")),
    }
}

fn persist(core: &Core, paths: &Paths, file: Option<&std::path::Path>) -> Result<Vec<Notice>> {
    let live = Snapshot::capture()?;
    let (kinds, backend) = kinds(core, &live);
    let tables: Vec<(String, String)> = core
        .touched
        .iter()
        .filter_map(|part| match part {
            Part::Nft(id) => Some((id.family_name().to_owned(), id.name.clone())),
            Part::Legacy(..) | Part::Set(_) => None,
        })
        .collect();
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

/// What is persisted: the formats of the candidate's files, or for a command
/// those of the parts that it changed.
fn kinds(core: &Core, live: &Snapshot) -> (BTreeSet<Kind>, Option<Resolved>) {
    if let Work::Rules { files, backend, .. } = &core.meta.work {
        let backend = match backend {
            Backend::Nft => Some(Resolved::Nft),
            Backend::Legacy => Some(Resolved::Legacy),
            Backend::Auto => None,
        };
        return (files.iter().map(|file| file.kind).collect(), backend);
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
            Part::Nft(id) => match (live.nft.is_iptables_table(id), id.family_name()) {
                (true, "ip") => {
                    backend = backend.or(Some(Resolved::Nft));
                    kinds.insert(Kind::IptablesV4);
                }
                (true, "ip6") => {
                    backend = backend.or(Some(Resolved::Nft));
                    kinds.insert(Kind::IptablesV6);
                }
                _ => {
                    kinds.insert(Kind::Nft);
                }
            },
        }
    }
    (kinds, backend)
}
