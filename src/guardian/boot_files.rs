//! What is loaded at boot, as part of a transaction: kept before the command starts, looked at after
//! it, brought back with a rollback.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::aside::{DISK_BRIEF_MAX, DISK_MAX, within};
use crate::boot_state::{self, Author, BootState, Outcome};
use crate::paths::Paths;
use crate::transaction::Transaction;
use crate::transaction::clock;
use crate::transaction::durable::write_durably;
use crate::transaction::store::Work;

/// What is known of one transaction.
#[derive(Debug, Clone, Default)]
pub struct BootFiles {
    /// Before it.
    pub before: Option<BootState>,
    /// After its command; none while that is not known to have ended.
    pub applied: Option<BootState>,
}

/// Reads what is loaded at boot and writes it down.
///
/// # Errors
/// When a file cannot be read, or the disk does not take the copy.
pub fn keep(transaction: &Transaction, paths: &Paths) -> Result<BootState> {
    let state = BootState::capture(paths).context("what is loaded at boot cannot be read")?;
    boot_state::save(&state, &transaction.boot_state())?;
    Ok(state)
}

/// Reads it again after the command.
///
/// # Errors
/// When a file cannot be read.
pub fn read_applied(before: &BootState) -> Result<BootState> {
    let state = before
        .now()
        .context("what is loaded at boot cannot be read")?;
    // Whoever wrote it may not have seen to that; once confirmed, it must be there in full.
    state.sync_changes(before);
    Ok(state)
}

/// Where files are copied that a rollback replaces.
#[must_use]
pub fn replaced(transaction: &Transaction) -> PathBuf {
    transaction.file("replaced")
}

/// Where files are copied as they were before, when others have changed them.
#[must_use]
pub fn originals(transaction: &Transaction) -> PathBuf {
    transaction.file("originals")
}

impl BootFiles {
    /// Reads what an earlier owner of `transaction` has written down.
    ///
    /// # Errors
    /// When it is damaged; a transaction of an older version has none.
    pub fn load(transaction: &Transaction) -> Result<Self> {
        let of = |path: PathBuf| path.exists().then(|| boot_state::load(&path)).transpose();
        Ok(Self {
            before: of(transaction.boot_state())?,
            applied: of(transaction.boot_state_applied())?,
        })
    }

    /// Brings back what the change has changed. Rule files change nothing that is loaded at
    /// boot: there, all changes are those of others.
    #[must_use]
    pub fn roll_back(&self, transaction: &Transaction, work: &Work) -> Outcome {
        let Some(before) = &self.before else {
            return damaged(transaction, work);
        };
        let author = match (work, &self.applied) {
            (Work::Rules { .. }, _) => Author::Ours(before),
            (Work::Command, Some(applied)) => Author::Ours(applied),
            (Work::Command, None) => Author::Unknown,
        };
        let outcome = boot_state::restore(before, author, &replaced(transaction));
        if !outcome.left.is_empty() {
            // What is said holds without the copies, too.
            let _ = boot_state::export(before, &originals(transaction));
        }
        outcome
    }

    /// The same, given up where the disk hangs: it may be one that only the old rules let through.
    #[must_use]
    pub fn try_roll_back(&self, transaction: &Transaction, work: &Work) -> Outcome {
        let (files, transaction, work) = (self.clone(), transaction.clone(), work.clone());
        let done = within(DISK_MAX, move || files.roll_back(&transaction, &work));
        done.unwrap_or_else(|error| Outcome {
            differences: vec![format!(
                "what is loaded at boot cannot be looked at: {error}"
            )],
            ..Outcome::default()
        })
    }

    /// Brings back all that differs: what was loaded at this boot was not confirmed.
    #[must_use]
    pub fn roll_back_all(&self, transaction: &Transaction) -> Outcome {
        self.before
            .as_ref()
            .map_or_else(Outcome::default, |before| {
                boot_state::restore(before, Author::Unknown, &replaced(transaction))
            })
    }

    /// Writes down what is loaded at boot once the rollback has ended.
    pub fn note_after(&self, transaction: &Transaction) {
        let Some(before) = self.before.clone() else {
            return;
        };
        let path = transaction.boot_state_after();
        // Without it, a later boot takes less for unconfirmed.
        let _ = within(DISK_BRIEF_MAX, move || {
            before.now().map(|now| boot_state::save(&now, &path))
        });
    }

    /// Whether what is loaded at boot may be the rules of `transaction`, which was rolled back:
    /// its command may have loaded them from there, or others have saved them meanwhile; and
    /// nobody has changed it since.
    #[must_use]
    pub fn may_hold(transaction: &Transaction, work: &Work) -> bool {
        let Ok(after) = boot_state::load(&transaction.boot_state_after()) else {
            return false;
        };
        let saved = || {
            let before = boot_state::load(&transaction.boot_state());
            before.is_ok_and(|before| !before.equals(&after))
        };
        (matches!(work, Work::Command) || saved())
            && after.now().is_ok_and(|now| now.equals(&after))
    }
}

/// A command's files cannot be brought back from a copy that cannot be read.
fn damaged(transaction: &Transaction, work: &Work) -> Outcome {
    let mut outcome = Outcome::default();
    let copy = transaction.boot_state();
    if matches!(work, Work::Command) && copy.exists() {
        outcome.differences.push(format!(
            "what was loaded at boot before is not known ({} is damaged): see that the command has left nothing there",
            copy.display()
        ));
    }
    outcome
}

/// Notes that services were to be started at this boot that nobody has confirmed: their start
/// was decided before the files could be brought back.
///
/// # Errors
/// When the disk does not take it.
pub fn note_early(transaction: &Transaction) -> Result<()> {
    write_durably(&early(transaction), clock::boot_id()?.as_bytes())
}

/// Whether [`note_early`] was called at this boot.
#[must_use]
pub fn noted_early(transaction: &Transaction) -> bool {
    let noted = std::fs::read_to_string(early(transaction));
    noted.is_ok_and(|noted| clock::boot_id().is_ok_and(|boot| boot == noted))
}

fn early(transaction: &Transaction) -> PathBuf {
    transaction.file("boot-state-early")
}
