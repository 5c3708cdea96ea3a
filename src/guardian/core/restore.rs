//! Bringing back rules and files, and telling what came of it.

use super::Core;
use crate::aside::{DISK_BRIEF_MAX, within};
use crate::boot_state::Outcome;
use crate::checkpoint::lost;
use crate::guardian::boot_files::{self, noted_early};
use crate::guardian::copies::unchanged_boot_files;
use crate::guardian::finish;
use crate::guardian::restore::{self, Restored};
use crate::managers::{Manager, is_active, is_firewallds};
use crate::protocol::Notice;
use crate::transaction::journal::Detail;
use crate::transaction::{Event, State};

impl Core {
    /// Restores the checkpoint; says which event came of it.
    pub fn restore(&mut self) -> (Event, Detail) {
        self.announce_rollback();
        let restored = match &self.checkpoint {
            Some(_) if self.untouched => Restored::default(),
            Some(checkpoint) => {
                restore::roll_back(&self.transaction, checkpoint, self.applied.as_ref())
            }
            None => no_checkpoint(),
        };
        // Rules first: they are what keeps people out.
        let files = (self.boot_files).try_roll_back(&self.transaction, &self.meta.work);
        self.judge(restored, files)
    }

    /// After a reboot: restores the checkpoint where the unconfirmed rules are live, and what
    /// loaded them.
    pub fn restore_if_live(&mut self) -> (Event, Detail) {
        self.announce_rollback();
        let boot_file = self.candidate_is_boot_file();
        let mut files = (self.boot_files).roll_back(&self.transaction, &self.meta.work);
        // What was there at boot was loaded, whatever else has been added to it since.
        let loaded = !files.restored.is_empty() || noted_early(&self.transaction);
        let restored = match (&self.checkpoint, &self.applied) {
            (Some(checkpoint), applied) if loaded => {
                restore::roll_back(&self.transaction, checkpoint, applied.as_ref())
            }
            (Some(checkpoint), Some(applied)) => {
                restore::roll_back_if_live(&self.transaction, checkpoint, applied, boot_file)
            }
            // The candidate was never known in full, so it was never live in full,
            // and nothing of it outlives the kernel that held it.
            (Some(_), None) => Restored::default(),
            (None, _) => no_checkpoint(),
        };
        if restored.acted && !loaded && !files.left.is_empty() {
            // Somebody has saved the unconfirmed rules: services do that when they stop.
            files = self.boot_files.roll_back_all(&self.transaction);
        }
        self.judge(restored, files)
    }

    /// After a reboot, where the network namespace of the change is gone with its rules.
    pub fn restore_files(&mut self) -> (Event, Detail) {
        self.announce_rollback();
        let files = (self.boot_files).roll_back(&self.transaction, &self.meta.work);
        self.judge(Restored::default(), files)
    }

    /// Announces the outcome that the transaction has come to.
    pub(in crate::guardian) fn announce_outcome(&mut self) {
        let detail = self.detail();
        let notice = match &self.state {
            State::RolledBack { reason } => Notice::RolledBack {
                reason: *reason,
                error: detail.error,
                drift: detail.lines,
                files: detail.files,
            },
            State::RestoreFailed { .. } => Notice::RestoreFailed {
                differences: detail.lines,
                checkpoint: self.transaction.checkpoint().display().to_string(),
            },
            State::Abandoned { reason } => Notice::Failed {
                error: detail.error.unwrap_or_else(|| reason.to_string()),
                reason: *reason,
            },
            State::Committed
            | State::Prepared
            | State::Armed
            | State::Applying
            | State::AwaitingConfirm
            | State::RollingBack { .. } => return,
        };
        self.announcer.say(notice);
    }

    fn announce_rollback(&mut self) {
        if let Some(reason) = self.state.reason() {
            let error = self.detail().error;
            self.announcer.say(Notice::RollingBack { reason, error });
        }
    }

    fn judge(&mut self, restored: Restored, files: Outcome) -> (Event, Detail) {
        let detail = Detail {
            error: self.detail().error,
            ..Detail::default()
        };
        self.tell_drift(&restored, &files);
        let mut differences = restored.differences;
        differences.extend(files.differences);
        if !differences.is_empty() {
            let lines = finish::bounded(differences);
            return (Event::RestoreFailed, Detail { lines, ..detail });
        }
        let mut lines = restored.drift.lines;
        lines.extend(files.drift);
        let names = files.restored.iter().map(|path| path.display().to_string());
        let mut files = finish::bounded(names.collect());
        if files.is_empty() {
            // A second attempt finds them in place already.
            files = self.detail().files;
        }
        let detail = Detail {
            lines,
            files,
            ..detail
        };
        (Event::Restored, detail)
    }

    /// What others did meanwhile.
    fn tell_drift(&mut self, restored: &Restored, files: &Outcome) {
        if !restored.drift.lines.is_empty() {
            let saved = restore::saved_drift(&self.transaction);
            self.announcer.say(Notice::Drift {
                changes: restored.drift.lines.clone(),
                saved: saved.display().to_string(),
            });
            for line in lost(&restored.drift.lines) {
                self.warn(line);
            }
        }
        if !files.drift.is_empty() {
            let saved = boot_files::replaced(&self.transaction);
            self.announcer.say(Notice::Drift {
                changes: files.drift.clone(),
                saved: saved.display().to_string(),
            });
        }
        if !files.left.is_empty() {
            let originals = boot_files::originals(&self.transaction);
            self.warn(format!(
                "others changed what is loaded at boot while the change was pending; that is left as it is, and may hold the rules that were rolled back: {}. As it was before: {}",
                finish::bounded(files.left.clone()).join(", "),
                originals.display()
            ));
        }
        if let Some(step) = self.firewalld_is_out_of_step(files) {
            self.warn(step);
        }
        let work = self.meta.work.clone();
        let unchanged: Vec<String> = within(DISK_BRIEF_MAX, move || {
            let unchanged = unchanged_boot_files(&work).into_iter();
            unchanged.map(|path| path.display().to_string()).collect()
        })
        .unwrap_or_default();
        if !unchanged.is_empty() {
            self.warn(format!(
                "{} still holds the rules that were rolled back, and a reload of what loads it at boot brings them back: put it right",
                unchanged.join(", ")
            ));
        }
        if let Some(first) = files.kept.first() {
            self.warn(format!(
                "a package was installed meanwhile, and its files stay: {} and what is with it. Its services are not started at boot",
                first.display()
            ));
        }
    }
}

impl Core {
    /// What firewalld believes of its rules once they are restored, and how it learns better.
    fn firewalld_is_out_of_step(&self, files: &Outcome) -> Option<String> {
        let directory = Manager::Firewalld.directory();
        let reread = files
            .restored
            .iter()
            .any(|path| path.starts_with(directory));
        let table = self.touched.iter().find(|part| is_firewallds(part));
        if table.is_none() && !reread {
            return None;
        }
        let had = table.is_none_or(|table| {
            let before = self.checkpoint.as_ref();
            before.is_some_and(|before| before.has(table))
        });
        let step = match (is_active(&self.paths, Manager::Firewalld.name()), had) {
            (true, true) => {
                "firewalld still has in its memory what was rolled back: 'firewall-cmd --reload' lets it read its permanent configuration again, which is what it was"
            }
            (true, false) => {
                "firewalld runs, though its rules were taken away with the rollback; it makes them again at its next reload: 'systemctl stop firewalld'"
            }
            (false, true) => {
                "firewalld does not run, though its rules are live again: 'systemctl start firewalld'"
            }
            (false, false) => return None,
        };
        Some(step.to_owned())
    }
}

fn no_checkpoint() -> Restored {
    Restored {
        differences: vec!["the checkpoint is missing or damaged".to_owned()],
        ..Restored::default()
    }
}
