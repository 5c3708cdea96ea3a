//! What the guardian does to the kernel on the way to the candidate: prepare, apply.
//! Blocking; no state machine here. The way back is in `restore`.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::{boot_files, copies};
use crate::aside::{DISK_MAX, within};
use crate::boot_state::{self, BootState};
use crate::candidate::{self, Candidate};
use crate::checkpoint::{self, Direction, Failure, Part, Proof, Snapshot, bring, touched};
use crate::connection::Known;
use crate::managers::{self, Managers};
use crate::nftables::Compare;
use crate::paths::Paths;
use crate::rehearsal::report::{Advice, Report};
use crate::rehearsal::{self, Subject, Wishes};
use crate::transaction::Transaction;
use crate::transaction::store::{Meta, Work, write_durably};

/// How long reading the live rules may take: 100,000 take seconds.
const READ_BACK_MAX: Duration = Duration::from_secs(60);

/// What a confirmation is worth when a command has only written files.
const ONLY_FILES: &str = "the live rules are as they were: the command has changed only what is loaded at boot or at the next reload. Nobody can try that by a new connection; confirm to keep it, and load it under 'safe-apply run' as well";

/// What the preparation has made ready.
#[derive(Debug)]
pub struct Ready {
    /// What is live.
    pub checkpoint: Snapshot,
    /// What the rule files make of it; none for a command, or where no scratch
    /// namespace can be had.
    pub compiled: Option<Snapshot>,
    /// What the rehearsal found; none where none was wanted or possible.
    pub report: Option<Box<Report>>,
    /// What is loaded at boot; none where it could not be read and is not at stake.
    pub boot_state: Option<BootState>,
    /// Who manages the rules.
    pub managers: Managers,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What an apply has brought about.
#[derive(Debug)]
pub struct Applied {
    /// What the rule files were compiled to, which the live rules were read back against; after a
    /// command, what was found live.
    pub applied: Snapshot,
    /// The parts that differ from the checkpoint.
    pub touched: Vec<Part>,
    /// What is loaded at boot after a command.
    pub boot_state: Option<BootState>,
    /// How rules and files differ, in lines for people.
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

/// Captures the checkpoint, writes it, proves that it restores, and compiles the candidate.
///
/// # Errors
/// Anything that makes the way back uncertain, or the candidate unloadable.
/// The live rules are untouched in any case.
pub fn prepare(transaction: &Transaction, meta: &Meta, paths: &Paths) -> Result<Ready> {
    let checkpoint = Snapshot::capture().context("the rules that are live now cannot be read")?;
    let mut warnings: Vec<String> = checkpoint
        .nft
        .owned
        .iter()
        .map(|id| format!("table {id} is owned by another process and is left alone"))
        .collect();
    checkpoint::save(&checkpoint, &transaction.checkpoint())?;
    let boot_state = match (boot_files::keep(transaction, paths), &meta.work) {
        (Ok(state), _) => Some(state),
        // A command may change any of it.
        (Err(error), Work::Command) => return Err(error),
        (Err(error), Work::Rules { .. }) => {
            warnings.push(format!("{error:#}; this change leaves it alone"));
            None
        }
    };
    if let (Some(state), Work::Command) = (&boot_state, &meta.work) {
        warnings.extend(state.too_large().map(|path| {
            format!(
                "{} is too large to be kept: if the command changes it, it cannot be brought back",
                path.display()
            )
        }));
    }
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
    let managers = Managers::survey(paths);
    let mut report = None;
    let compiled = match (&meta.work, scratch) {
        (work @ Work::Rules { .. }, Some(namespace)) => {
            let (candidates, how) = (copies::read_copies(transaction, work)?, copies::how(work));
            let (compiled, noted) = namespace
                .enter(|| candidate::compile(&candidates, how, &checkpoint, &private_lock))??;
            warnings.extend(noted);
            drop(namespace);
            match rehearse(transaction, meta, &checkpoint, &compiled, &candidates) {
                Ok(found) => report = found,
                // Who names an address, or what has to be open, wants to know before, not after.
                Err(error)
                    if meta.rehearsal.as_ref().is_some_and(Wishes::insists) && !meta.force =>
                {
                    return Err(error.context("what was asked for could not be rehearsed"));
                }
                Err(error) => warnings.push(format!("not rehearsed: {error:#}")),
            }
            let undone = copies::undone(&managers, meta, &checkpoint, &compiled);
            match &mut report {
                Some(report) => report
                    .advice
                    .extend(undone.into_iter().map(Advice::of_host)),
                None => {
                    // The rehearsal's advice names them too.
                    warnings.extend(checkpoint::neighbours(&checkpoint, &compiled));
                    warnings.extend(undone);
                }
            }
            checkpoint::save(&compiled, &transaction.applied())?;
            Some(compiled)
        }
        (Work::Rules { .. }, None) | (Work::Command, _) => None,
    };
    Ok(Ready {
        checkpoint,
        compiled,
        report,
        boot_state,
        managers,
        warnings,
    })
}

fn rehearse(
    transaction: &Transaction,
    meta: &Meta,
    checkpoint: &Snapshot,
    compiled: &Snapshot,
    candidates: &[Candidate],
) -> Result<Option<Box<Report>>> {
    let Some(wishes) = &meta.rehearsal else {
        return Ok(None);
    };
    let subject = Subject {
        origin: &meta.origin,
        wishes,
        checkpoint,
        compiled: Some(compiled),
        candidates,
        how: copies::how(&meta.work),
        scratch: transaction.dir(),
    };
    Ok(Some(Box::new(rehearsal::rehearse(&subject)?)))
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
            let live = read_back()?;
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
            // Not what was read back: elsewhere that may hold what others have just made.
            Ok(Applied {
                applied: compiled.clone(),
                ..settle(transaction, &ready.checkpoint, live, Some(&parts))?
            })
        }
        (None, work @ Work::Rules { .. }) => {
            let candidates = copies::read_copies(transaction, work)?;
            candidate::run_tools_live(&candidates, copies::how(work), &ready.checkpoint)?;
            let live = read_back()?;
            settle(transaction, &ready.checkpoint, live, None)
        }
        (None, Work::Command) => after_command(transaction, meta, ready),
    }
}

/// What a command, or tools on the live side, have left.
///
/// # Errors
/// When the live rules cannot be read, or the disk does not take them.
pub fn after_command(transaction: &Transaction, meta: &Meta, ready: &Ready) -> Result<Applied> {
    let live = read_back()?;
    let mut applied = settle(transaction, &ready.checkpoint, live, None)?;
    let mut written = Vec::new();
    if let Some(before) = &ready.boot_state {
        let kept = before.clone();
        let after = within(DISK_MAX, move || boot_files::read_applied(&kept))??;
        // Apart from the reading: what is saved late must be what was there before a rollback.
        let (state, path) = (after.clone(), transaction.boot_state_applied());
        within(DISK_MAX, move || boot_state::save(&state, &path))??;
        let files = boot_state::lines(before, &after);
        if applied.touched.is_empty() && !files.is_empty() {
            applied.warnings.push(ONLY_FILES.to_owned());
        }
        applied.changes.extend(files);
        let changes = boot_state::changes(before, &after).into_iter();
        written.extend(changes.map(|(path, _)| path));
        applied.boot_state = Some(after);
    }
    let change = managers::Change {
        touched: &applied.touched,
        kinds: managers::kinds_of(&applied.touched),
        persist: meta.persist.is_some(),
        command: Some(&meta.command_line),
        written: &written,
    };
    applied
        .warnings
        .extend(managers::undone(&ready.managers, &change));
    Ok(applied)
}

/// What is live now; given up where that takes too long, for tools may come from a disk that hangs.
fn read_back() -> Result<Snapshot> {
    Ok(within(READ_BACK_MAX, Snapshot::capture)??)
}

fn settle(
    transaction: &Transaction,
    checkpoint: &Snapshot,
    live: Snapshot,
    parts: Option<&[Part]>,
) -> Result<Applied> {
    // From here on a connection counts as new: not one moment earlier.
    let known = Known::record().context("the open connections cannot be listed")?;
    let record = serde_json::to_vec(&known)?;
    let snapshot = parts.is_none().then(|| live.clone());
    let (known_at, applied_at) = (transaction.known(), transaction.applied());
    // The new rules may have cut off the disk: then they go.
    within(DISK_MAX, move || -> Result<()> {
        write_durably(&known_at, &record)?;
        snapshot.map_or(Ok(()), |live| {
            checkpoint::save(&live, &applied_at).map_err(Into::into)
        })
    })??;
    let touched = parts.map_or_else(|| touched(checkpoint, Some(&live), &live), <[Part]>::to_vec);
    let changes = checkpoint.describe(&live, &touched);
    let warnings = match parts {
        // Told before anything was applied.
        Some(_) => Vec::new(),
        None => checkpoint::neighbours(checkpoint, &live),
    };
    Ok(Applied {
        applied: live,
        touched,
        boot_state: None,
        changes,
        warnings,
        known,
    })
}
