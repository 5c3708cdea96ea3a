//! What an outcome still demands: persisting, hooks.

use super::core::Core;
use super::hook;
use super::keep::persist;
use crate::paths::Paths;
use crate::transaction::journal::Detail;
use crate::transaction::store::Persist;

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
