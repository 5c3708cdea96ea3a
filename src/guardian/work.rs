//! What the guardian does to the kernel: prepare, apply, roll back. Blocking; no state machine here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::compile;
use crate::checkpoint::{
    self, Direction, Drift, Failure, LOCK_WAIT_ROLLBACK, Look, Part, Proof, Snapshot, bring,
    touched,
};
use crate::connection::Known;
use crate::legacy::Lock;
use crate::nftables::{Compare, is_stand_in};
use crate::transaction::Transaction;
use crate::transaction::store::{Meta, Work, write_durably};

/// What the preparation has made ready.
#[derive(Debug)]
pub struct Ready {
    /// What is live.
    pub checkpoint: Snapshot,
    /// What the rule files make of it; none for a command, or where no scratch
    /// namespace can be had.
    pub compiled: Option<Snapshot>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What an apply has brought about.
#[derive(Debug)]
pub struct Applied {
    /// What is live now, as read back.
    pub live: Snapshot,
    /// The parts that differ from the checkpoint.
    pub touched: Vec<Part>,
    /// How they differ, in lines for people.
    pub changes: Vec<String>,
    /// What other programs have lost, where that was not known before.
    pub warnings: Vec<String>,
    /// The connections that proved nothing.
    pub known: Known,
}

/// Nothing of the candidate was applied: there is nothing to restore, and what
/// others changed meanwhile is theirs.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Untouched(String);

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

/// Captures the checkpoint, writes it, proves that it restores, and compiles the candidate.
///
/// # Errors
/// Anything that makes the way back uncertain, or the candidate unloadable.
/// The live rules are untouched in any case.
pub fn prepare(transaction: &Transaction, meta: &Meta) -> Result<Ready> {
    let checkpoint = Snapshot::capture().context("the rules that are live now cannot be read")?;
    let mut warnings: Vec<String> = checkpoint
        .nft
        .owned
        .iter()
        .map(|id| format!("table {id} is owned by another process and is left alone"))
        .collect();
    checkpoint::save(&checkpoint, &transaction.checkpoint())?;
    let private_lock = transaction.file("xtables.lock");
    let proof = checkpoint::prove(&checkpoint, &private_lock)
        .context("the checkpoint cannot be tried out in a scratch network namespace")?;
    let scratch = match proof {
        Proof::Proven(namespace) => Some(namespace),
        Proof::NoNamespace(error) => {
            warnings.push(format!(
                "no scratch network namespace can be made here ({error}): the checkpoint is not proven, the tools run on the live rules"
            ));
            None
        }
        Proof::Failed(differences) => bail!(
            "the checkpoint does not restore exactly, so there would be no way back:\n  {}",
            differences.join("\n  ")
        ),
    };
    let compiled = match (&meta.work, scratch) {
        (Work::Rules { .. }, Some(namespace)) => {
            let (compiled, noted) = namespace.enter(|| {
                compile::compile(transaction, &meta.work, &checkpoint, &private_lock)
            })??;
            warnings.extend(noted);
            warnings.extend(checkpoint::neighbours(&checkpoint, &compiled));
            checkpoint::save(&compiled, &transaction.applied())?;
            Some(compiled)
        }
        (Work::Rules { .. }, None) | (Work::Command, _) => None,
    };
    Ok(Ready {
        checkpoint,
        compiled,
        warnings,
    })
}

/// Applies what was compiled, or runs the tools on the live side, and reads back.
///
/// # Errors
/// What failed; the caller rolls back.
pub fn apply(transaction: &Transaction, meta: &Meta, ready: &Ready) -> Result<Applied> {
    match (&ready.compiled, &meta.work) {
        (Some(compiled), _) => {
            let parts = ready.checkpoint.differing(compiled, Compare::Rules);
            let direction = Direction::Apply {
                checkpoint: &ready.checkpoint,
            };
            bring(compiled, &parts, &direction).map_err(|failures| {
                let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
                let only_nft = parts.iter().all(|part| matches!(part, Part::Nft(_)));
                let refused = |one: &Failure| matches!(one, Failure::Overtaken(_));
                if only_nft && failures.iter().all(refused) {
                    Untouched(lines.join("\n")).into()
                } else {
                    anyhow!(lines.join("\n"))
                }
            })?;
            let live = Snapshot::capture()?;
            let wrong: Vec<Part> = compiled
                .differing(&live, Compare::Live)
                .into_iter()
                .filter(|part| parts.contains(part))
                .collect();
            if !wrong.is_empty() {
                bail!(
                    "the kernel does not hold what was rehearsed:\n  {}",
                    compiled.describe(&live, &wrong).join("\n  ")
                );
            }
            settle(transaction, &ready.checkpoint, live, Some(&parts))
        }
        (None, work @ Work::Rules { .. }) => {
            compile::run_tools_live(transaction, work, &ready.checkpoint)?;
            after_command(transaction, &ready.checkpoint)
        }
        (None, Work::Command) => after_command(transaction, &ready.checkpoint),
    }
}

/// What a command, or tools on the live side, have left.
///
/// # Errors
/// When the live rules cannot be read, or the disk does not take them.
pub fn after_command(transaction: &Transaction, checkpoint: &Snapshot) -> Result<Applied> {
    let live = Snapshot::capture()?;
    settle(transaction, checkpoint, live, None)
}

fn settle(
    transaction: &Transaction,
    checkpoint: &Snapshot,
    live: Snapshot,
    parts: Option<&[Part]>,
) -> Result<Applied> {
    // From here on a connection counts as new: not one moment earlier.
    let known = Known::record().context("the open connections cannot be listed")?;
    write_durably(&transaction.known(), &serde_json::to_vec(&known)?)?;
    if parts.is_none() {
        checkpoint::save(&live, &transaction.applied())?;
    }
    let touched = parts.map_or_else(|| touched(checkpoint, Some(&live), &live), <[Part]>::to_vec);
    let changes = checkpoint.describe(&live, &touched);
    let warnings = match parts {
        // Told before anything was applied.
        Some(_) => Vec::new(),
        None => checkpoint::neighbours(checkpoint, &live),
    };
    Ok(Applied {
        live,
        touched,
        changes,
        warnings,
        known,
    })
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
    let look = match Look::at_all() {
        Ok(look) => look,
        Err(error) => {
            return Restored {
                differences: vec![format!("the live rules cannot be read: {error}")],
                ..Restored::default()
            };
        }
    };
    let mut touched = touched(checkpoint, applied, &look.live);
    // Before the apply was complete, what differs from it is not the work of others.
    let was_live = transaction.known().exists();
    let drift = applied
        .filter(|_| was_live)
        .map_or_else(Drift::default, |applied| look.drift(applied, &touched));
    touched.extend(left_over(&look.live));
    if !drift.parts.is_empty() {
        // Reported in any case; a full disk only costs the copy.
        let _ = checkpoint::save(&look.live, &saved_drift(transaction));
    }
    let differing = look.differing(checkpoint, &touched);
    let lock = Lock::bypass_after(LOCK_WAIT_ROLLBACK);
    let direction = Direction::Rollback { lock: &lock };
    let mut differences = match bring(checkpoint, &differing, &direction) {
        Ok(()) => Vec::new(),
        Err(failures) => failures.iter().map(ToString::to_string).collect(),
    };
    match Look::at(&touched) {
        Ok(now) => {
            let wrong = now.differing(checkpoint, &touched);
            if wrong.is_empty() {
                // What counts is what the kernel holds, not how it came about.
                differences.clear();
            } else {
                differences.extend(now.describe(checkpoint, &wrong));
            }
        }
        Err(error) => differences.push(format!("the live rules cannot be read back: {error}")),
    }
    Restored {
        drift,
        differences,
        acted: !differing.is_empty(),
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
    let live = match Look::at_all() {
        Ok(look) => look.live,
        Err(error) => {
            return Restored {
                differences: vec![format!("the live rules cannot be read: {error}")],
                ..Restored::default()
            };
        }
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

/// Environment of hooks: which transaction, how it ended.
#[must_use]
pub fn hook_environment(transaction: &Transaction, outcome: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (
            "SAFE_APPLY_TRANSACTION".to_owned(),
            transaction.id.to_string(),
        ),
        ("SAFE_APPLY_OUTCOME".to_owned(), outcome.to_owned()),
    ])
}
