//! A transaction in the hands of its owner: the state machine, its journal, and the
//! effects that need no event loop. The guardian and `recover` both work on it.

mod restore;

use anyhow::{Context, Result};

use super::announce::Announcer;
use super::boot_files::BootFiles;
use super::stop;
use crate::aside::{DISK_MAX, within};
use crate::checkpoint::{self, Part, Snapshot};
use crate::config::Config;
use crate::paths::Paths;
use crate::protocol::Notice;
use crate::transaction::journal::{Detail, Durability, Error as JournalError, Journal};
use crate::transaction::machine::step;
use crate::transaction::store::{Meta, Work};
use crate::transaction::{Effect, Event, State, Store, Transaction};

/// A transaction and all that is known about it.
#[derive(Debug)]
pub struct Core {
    /// Its directory.
    pub transaction: Transaction,
    /// What the client wrote down.
    pub meta: Meta,
    /// Where things lie on this host.
    pub paths: Paths,
    /// The administrator's settings.
    pub config: Config,
    /// Where it stands.
    pub state: State,
    /// When the countdown ends, in milliseconds of `CLOCK_BOOTTIME`.
    pub deadline_ms: Option<u64>,
    /// What was live before.
    pub checkpoint: Option<Snapshot>,
    /// What is meant to be live after the apply, or was found after it.
    pub applied: Option<Snapshot>,
    /// The parts in which the two differ.
    pub touched: Vec<Part>,
    /// What is loaded at boot, before and after.
    pub boot_files: BootFiles,
    /// Who is told.
    pub announcer: Announcer,
    /// The apply failed before any of it reached the kernel.
    pub untouched: bool,
    /// Whether the client that may run a command is still there.
    pub client_alive: bool,
    journal: Journal,
}

impl Core {
    /// Takes over `transaction`: a new one, or one whose owner died.
    ///
    /// # Errors
    /// When its records are missing or damaged, or the journal cannot be made.
    pub fn open(store: &Store, transaction: Transaction) -> Result<Self> {
        let meta = transaction.meta()?;
        let (durable, volatile) = (transaction.journal(), transaction.volatile_journal());
        let is_new = !transaction.has_begun();
        let mut journal = if is_new {
            Journal::create(&durable, &volatile).context("the firewall is untouched")?
        } else {
            Journal::open(&durable, &volatile)?
        };
        if journal.last().is_none() {
            journal
                .append(
                    &State::Prepared,
                    None,
                    Detail::default(),
                    Durability::Required,
                )
                .context("the firewall is untouched")?;
        }
        let (state, deadline_ms) = journal.last().map_or((State::Prepared, None), |last| {
            (last.state.clone(), last.deadline_ms)
        });
        let config = Config::load(&store.paths().config).unwrap_or_default();
        let mut core = Self {
            announcer: Announcer::new(&transaction, &state),
            transaction,
            meta,
            paths: store.paths().clone(),
            config,
            state,
            deadline_ms,
            checkpoint: None,
            applied: None,
            touched: Vec::new(),
            boot_files: BootFiles::default(),
            untouched: false,
            client_alive: false,
            journal,
        };
        if is_new {
            core.announcer.say(Notice::Prepared);
        }
        core.tell_logins();
        Ok(core)
    }

    /// Reads checkpoint and candidate of a transaction that an earlier owner has begun.
    ///
    /// # Errors
    /// When the checkpoint is missing or damaged, or what is known of the files is damaged.
    pub fn load_snapshots(&mut self) -> Result<()> {
        let boot_files = BootFiles::load(&self.transaction);
        let checkpoint = checkpoint::load(&self.transaction.checkpoint())?;
        // Where it is not known what the candidate makes of the rules, all that differs is restored.
        self.applied = checkpoint::load(&self.transaction.applied()).ok();
        if let Some(applied) = &self.applied {
            self.touched = checkpoint::touched(&checkpoint, Some(applied), applied);
        }
        self.checkpoint = Some(checkpoint);
        self.boot_files = boot_files?;
        Ok(())
    }

    /// The last thing the journal says beyond the state.
    #[must_use]
    pub fn detail(&self) -> Detail {
        self.journal
            .last()
            .map(|last| last.detail.clone())
            .unwrap_or_default()
    }

    /// Lets `event` happen: journals the new state, returns what is to be done.
    ///
    /// # Errors
    /// When a state that must be durable before it is acted on could not be
    /// journalled: it was not entered.
    pub fn enter(&mut self, event: Event, detail: Detail) -> Result<Vec<Effect>, JournalError> {
        let (next, effects) = step(self.state.clone(), event);
        if next == self.state {
            return Ok(effects);
        }
        let durability = match next {
            State::Armed | State::Applying | State::Committed => Durability::Required,
            State::Prepared
            | State::AwaitingConfirm
            | State::RollingBack { .. }
            | State::RolledBack { .. }
            | State::RestoreFailed { .. }
            | State::Abandoned { .. } => Durability::BestEffort,
        };
        let written = self
            .journal
            .append(&next, self.deadline_ms, detail, durability);
        match (written, durability) {
            (Err(error), Durability::Required) => return Err(error),
            (Err(error), Durability::BestEffort) => self.warn(format!("{error}; going on without")),
            (Ok(()), _) => {}
        }
        self.announcer.enter(&next);
        self.state = next;
        self.tell_logins();
        Ok(effects)
    }

    /// Journals a change within the state: a moved deadline, work that is done.
    pub fn note(&mut self, detail: Detail) {
        let state = self.state.clone();
        let written = self
            .journal
            .append(&state, self.deadline_ms, detail, Durability::BestEffort);
        if let Err(error) = written {
            self.warn(format!("{error}; going on without"));
        } else if self.detail().finished {
            self.journal.retire();
        }
    }

    /// Announces a warning.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.announcer.say(Notice::Warning {
            message: message.into(),
        });
    }

    /// Ends the command of `run`, if one runs.
    pub fn stop_command(&self) {
        if matches!(self.meta.work, Work::Command) {
            // A guardian that has taken over has not heard of the client yet.
            let known = self.client_alive || stop::is_client(&self.meta);
            let client = known.then_some(self.meta.client_pid);
            let id = self.transaction.id.clone();
            // Whatever hangs in the kernel must not keep the old rules from coming back.
            let _ = within(DISK_MAX, move || stop::stop_command(&id, client));
        }
    }

    /// Whether a rule file of the candidate is loaded at boot.
    #[must_use]
    pub fn candidate_is_boot_file(&self) -> bool {
        match &self.meta.work {
            Work::Rules { files, .. } => files.iter().any(|file| file.boot_file),
            Work::Command => false,
        }
    }
}
