//! Settling what a crash or a reboot left behind.

mod boot;
mod compiled;
mod forward;
mod loaders;

use std::time::Duration;

use anyhow::Result;

use super::core::Core;
use super::lock::{self, RunLock};
use super::restore::RETRY_PAUSES;
use super::{finish, prepare_self};
use crate::netns::identity;
use crate::transaction::journal::{Journal, Record};
use crate::transaction::store::Meta;
use crate::transaction::{Effect, Event, Id, State, Store, Transaction, clock};

pub use boot::boot_files;
pub use loaders::wait_for_loaders;

/// How long a successor gets to take over before the transaction counts as abandoned.
const TAKEOVER_MAX: Duration = Duration::from_secs(3);

/// What was found and done about one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The transaction.
    pub id: Id,
    /// How it ended.
    pub state: State,
    /// In words: what was wrong, what state the firewall is in now.
    pub message: String,
}

/// Whether anything is pending, after what could be settled was settled.
#[derive(Debug)]
pub enum Survey {
    /// A guardian is at work on a transaction.
    Pending,
    /// None is.
    Quiet(Vec<Settled>),
}

/// Settles every transaction whose guardian and successor are dead; with
/// `retry_failed`, those that could not be restored in full are tried again.
///
/// # Errors
/// When the directories cannot be used, or a transaction cannot be settled.
pub fn survey(store: &Store, retry_failed: bool) -> Result<Survey> {
    store.prepare()?;
    let mut lock = RunLock::take(store.paths(), Duration::ZERO)?;
    if lock.is_some() && lock::successor_lives(store.paths()) {
        // The guardian has just died: its successor is to find the lock free.
        drop(lock.take());
        let until = std::time::Instant::now() + TAKEOVER_MAX;
        while lock::successor_lives(store.paths()) && std::time::Instant::now() < until {
            if std::os::unix::net::UnixStream::connect(super::socket_path(store.paths())).is_ok() {
                return Ok(Survey::Pending);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        lock = RunLock::take(store.paths(), Duration::ZERO)?;
    }
    let Some(_lock) = lock else {
        return Ok(Survey::Pending);
    };
    Ok(Survey::Quiet(settle_all(store, retry_failed)?))
}

/// Settles what is not settled; the caller holds the lock.
///
/// # Errors
/// When a transaction cannot be settled.
pub fn settle_all(store: &Store, retry_failed: bool) -> Result<Vec<Settled>> {
    let mut settled = Vec::new();
    let all = store.list()?;
    let newest = all
        .iter()
        .rev()
        .find(|one| one.has_begun())
        .map(|one| one.id.clone());
    let unrestored = if retry_failed {
        unrestored(store)?
    } else {
        None
    };
    for transaction in all {
        let records = match transaction.records() {
            Ok(records) => records,
            // Its client died before the guardian began: nothing was touched.
            Err(_) if !transaction.has_begun() => continue,
            // A later one only began once this one was settled: it is history.
            Err(_) if newest.as_ref() != Some(&transaction.id) => continue,
            Err(error) => return Err(anyhow::Error::new(error).context(unreadable(&transaction))),
        };
        let Some(last) = records.last() else { continue };
        let failed = matches!(last.state, State::RestoreFailed { .. });
        // After a later change, what is live is that one's, and may have been confirmed.
        let again = failed && unrestored.as_ref() == Some(&transaction.id);
        if newest.as_ref() != Some(&transaction.id) && !again {
            // A later one only began once this one was settled, though its disk may not have taken that.
            continue;
        }
        if last.detail.finished && !again {
            bring_up_to_date(&transaction);
            continue;
        }
        settled.push(settle(store, transaction, last)?);
    }
    lock::forget(store.paths());
    Ok(settled)
}

/// A copy of the journal that is in memory still says what the disk had not taken: it takes it now.
fn bring_up_to_date(transaction: &Transaction) {
    let volatile = transaction.volatile_journal();
    if volatile.exists()
        && let Ok(journal) = Journal::open(&transaction.journal(), &volatile)
    {
        journal.retire();
    }
}

/// The last transaction that did anything, if its rollback is incomplete.
///
/// # Errors
/// When the transactions cannot be listed.
pub fn unrestored(store: &Store) -> Result<Option<Id>> {
    for transaction in store.list()?.into_iter().rev() {
        match transaction.last() {
            Ok(Some(last)) if matches!(last.state, State::Abandoned { .. }) => {}
            Ok(Some(last)) if matches!(last.state, State::RestoreFailed { .. }) => {
                return Ok(Some(transaction.id));
            }
            Ok(Some(_)) => return Ok(None),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(None)
}

/// What to do about a transaction of which nobody can tell how it ended.
fn unreadable(transaction: &Transaction) -> String {
    format!(
        "it cannot be told how transaction {} ended, so the rules that are live may be unconfirmed; nothing was changed now. See that the rules are right (those from before are in {}), then move {} away",
        transaction.id,
        transaction.checkpoint().display(),
        transaction.dir().display()
    )
}

fn settle(store: &Store, transaction: Transaction, last: &Record) -> Result<Settled> {
    let id = transaction.id.clone();
    let meta = transaction.meta()?;
    let rebooted = last.boot_id != clock::boot_id()?;
    let is_here = require_namespace(&transaction, &meta, rebooted)?;
    prepare_self::harden();
    let mut core = Core::open(store, transaction)?;
    if let Err(error) = core.load_snapshots() {
        core.warn(format!("{error:#}"));
    }
    let mut event = if rebooted {
        Event::Rebooted
    } else {
        Event::Orphaned
    };
    let mut detail = core.detail();
    detail.finished = false;
    let mut pauses = RETRY_PAUSES.iter();
    let mut not_kept = None;
    loop {
        let effects = core.enter(event, std::mem::take(&mut detail))?;
        let mut next = None;
        for effect in effects {
            match effect {
                Effect::StopCommand => core.stop_command(),
                Effect::Restore => next = Some(core.restore()),
                // The rules went with their namespace.
                Effect::RestoreIfLive if !is_here => next = Some(core.restore_files()),
                Effect::RestoreIfLive => next = Some(core.restore_if_live()),
                Effect::FinishCommit => {
                    let forward = rebooted && is_here && core.meta.persist.is_some();
                    match forward.then(|| forward::bring_forward(&core)) {
                        None | Some(Ok(())) => finish::commit(&mut core, store.paths()),
                        // What is live must not be taken for what was confirmed, now or later.
                        Some(Err(error)) => {
                            finish::close(&mut core);
                            not_kept = Some(error);
                        }
                    }
                }
                Effect::FinishRollback => {
                    core.announce_outcome();
                    finish::rollback(&mut core);
                }
                Effect::ReportFailure => match pauses.next() {
                    Some(pause) => {
                        std::thread::sleep(*pause);
                        next = Some((Event::Retry, core.detail()));
                    }
                    None => {
                        core.announce_outcome();
                        finish::rollback(&mut core);
                    }
                },
                Effect::Close => {
                    core.announce_outcome();
                    finish::close(&mut core);
                }
                Effect::Begin
                | Effect::Apply
                | Effect::StartCountdown
                | Effect::ResumeCountdown
                | Effect::Extend(_)
                | Effect::Refuse => {}
            }
        }
        match next {
            Some((following, with)) => (event, detail) = (following, with),
            None => break,
        }
    }
    Ok(Settled {
        message: if let Some(error) = not_kept {
            format!(
                "it was confirmed, but could neither be made live again after the reboot nor persisted: {error}; apply it again"
            )
        } else if is_here {
            message(&core)
        } else {
            "its network namespace is gone since the reboot, and its rules with it".to_owned()
        },
        id,
        state: core.state,
    })
}

fn message(core: &Core) -> String {
    let checkpoint = core.transaction.checkpoint();
    match &core.state {
        State::Committed => "it was confirmed; the new rules stay".to_owned(),
        State::RolledBack { reason } => {
            format!("{reason}; the rules from before it are live")
        }
        State::Abandoned { reason } => format!("{reason}; the firewall had not been touched"),
        State::RestoreFailed { .. } => format!(
            "the rules from before it could NOT be restored in full: {}; the checkpoint is {}",
            core.detail().lines.join("; "),
            checkpoint.display()
        ),
        State::Prepared
        | State::Armed
        | State::Applying
        | State::AwaitingConfirm
        | State::RollingBack { .. } => "it is not settled".to_owned(),
    }
}

/// A checkpoint belongs to the namespace it was taken in; says whether that is still there.
fn require_namespace(transaction: &Transaction, meta: &Meta, rebooted: bool) -> Result<bool> {
    let here = identity("self")?;
    // Namespaces do not outlive a boot; what is known then is only which one was the host's own.
    let fits = if rebooted {
        meta.netns_is_init != Some(false)
    } else {
        here == meta.netns
    };
    if fits || rebooted {
        return Ok(fits);
    }
    anyhow::bail!(
        "transaction {} is not settled and belongs to another network namespace: run 'safe-apply recover' there, or move {} away if that namespace is gone. Nothing was changed here",
        transaction.id,
        transaction.dir().display()
    )
}
