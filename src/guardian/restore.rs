//! The way back: what the guardian does to the kernel to restore a checkpoint. Blocking;
//! no state machine here.

use std::path::PathBuf;
use std::time::Duration;

use crate::aside::{DISK_BRIEF_MAX, within};
use crate::checkpoint::{
    self, Direction, Drift, LOCK_WAIT_ROLLBACK, Look, Part, Snapshot, bring, touched,
};
use crate::legacy::Lock;
use crate::nftables::{Compare, is_stand_in};
use crate::transaction::Transaction;

/// How a rollback ended.
#[derive(Debug, Default)]
pub struct Restored {
    /// What others had changed in the parts that were restored.
    pub drift: Drift,
    /// What differs from the checkpoint still; empty when all is as it was.
    pub differences: Vec<String>,
    /// Whether anything had to be restored.
    pub acted: bool,
}

/// Restores the checkpoint where the candidate touched it, reads back and compares.
///
/// Goes on past single errors. Whatever could not be restored is among the differences.
#[must_use]
pub fn roll_back(
    transaction: &Transaction,
    checkpoint: &Snapshot,
    applied: Option<&Snapshot>,
) -> Restored {
    let wanted = applied.map(|applied| checkpoint.differing(applied, Compare::Rules));
    let look = match Look::at_all(checkpoint, wanted.as_deref()) {
        Ok(look) => look,
        Err(error) => return unreadable(&error),
    };
    let mut touched = touched(checkpoint, applied, &look.live);
    // Before the apply was complete, what differs from it is not the work of others.
    let known = transaction.known();
    let was_live = within(DISK_BRIEF_MAX, move || known.exists()).unwrap_or(false);
    let drift = applied
        .filter(|_| was_live)
        .map_or_else(Drift::default, |applied| look.drift(applied, &touched));
    touched.extend(left_over(&look.live));
    let drifted = (!drift.parts.is_empty()).then(|| look.live.clone());
    let (differences, acted) = restore_parts(checkpoint, look, &touched);
    if let Some(live) = drifted {
        let path = saved_drift(transaction);
        // Reported in any case; a disk that is full or hangs only costs the copy.
        let _ = within(DISK_BRIEF_MAX, move || checkpoint::save(&live, &path));
    }
    Restored {
        drift,
        differences,
        acted,
    }
}

/// Brings the live rules to `target` in the parts in which it differs from `other`, reads back and
/// compares. Says what differs; then what was live before it is live again, as far as can be.
#[must_use]
pub fn bring_forward(target: &Snapshot, other: &Snapshot) -> Vec<String> {
    let wanted = target.differing(other, Compare::Rules);
    let look = match Look::at_all(target, Some(&wanted)) {
        Ok(look) => look,
        Err(error) => return unreadable(&error).differences,
    };
    let before = look.live.clone();
    let (mut differences, _) = restore_parts(target, look, &wanted);
    if !differences.is_empty() {
        // Half of it is nothing that anybody has confirmed.
        let back = match Look::at_all(&before, Some(&wanted)) {
            Ok(look) => restore_parts(&before, look, &wanted).0,
            Err(error) => unreadable(&error).differences,
        };
        let back = back.into_iter();
        differences.extend(back.map(|line| format!("what was loaded at boot is not back: {line}")));
    }
    differences
}

/// What differs from `target` in `parts` after all, and whether anything had to be written.
fn restore_parts(target: &Snapshot, look: Look, parts: &[Part]) -> (Vec<String>, bool) {
    let differing = look.differing(target, parts);
    let lock = Lock::bypass_after(LOCK_WAIT_ROLLBACK);
    let direction = Direction::Rollback { lock: &lock };
    let mut differences = match bring(target, &differing, &direction) {
        Ok(()) => Vec::new(),
        Err(failures) => failures.iter().map(ToString::to_string).collect(),
    };
    match Look::at(target, parts) {
        Ok(now) => {
            let wrong = now.differing(target, parts);
            if wrong.is_empty() {
                // What counts is what the kernel holds, not how it came about.
                differences.clear();
            } else {
                differences.extend(now.describe(target, &wrong));
            }
            differences.extend(look.unread);
            differences.extend(now.unread);
            differences.dedup();
        }
        Err(error) => differences.push(format!("the live rules cannot be read back: {error}")),
    }
    (differences, !differing.is_empty())
}

fn unreadable(error: &checkpoint::Error) -> Restored {
    Restored {
        differences: vec![format!("the live rules cannot be read: {error}")],
        ..Restored::default()
    }
}

/// Stand-ins of chains that a killed process was replacing.
fn left_over(live: &Snapshot) -> impl Iterator<Item = Part> + '_ {
    let tables = live.nft.tables.iter();
    tables
        .filter(|table| is_stand_in(&table.id))
        .map(|table| Part::Nft(table.id.clone()))
}

/// Where the rules that others made are kept.
#[must_use]
pub fn saved_drift(transaction: &Transaction) -> PathBuf {
    transaction.file("drift")
}

/// After a reboot: restores the checkpoint only where the unconfirmed rules are what is live.
///
/// That a table is absent shows nothing, unless the candidate is itself what is
/// loaded at boot (`boot_file`).
#[must_use]
pub fn roll_back_if_live(
    transaction: &Transaction,
    checkpoint: &Snapshot,
    applied: &Snapshot,
    boot_file: bool,
) -> Restored {
    let wanted = checkpoint.differing(applied, Compare::Rules);
    let live = match Look::at_all(checkpoint, Some(&wanted)) {
        Ok(look) => look.live,
        Err(error) => return unreadable(&error),
    };
    let touched = touched(checkpoint, Some(applied), &live);
    let not_applied = applied.differing(&live, Compare::Live);
    let absent = |part: &Part| !boot_file && !applied.has(part);
    if touched
        .iter()
        .all(|part| not_applied.contains(part) || absent(part))
    {
        return Restored::default();
    }
    // As far as the boot has loaded unconfirmed parts, all of the change goes.
    roll_back(transaction, checkpoint, Some(applied))
}

/// Pauses between attempts to restore what could not be restored at once.
pub const RETRY_PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
