//! Notices in words. Every line says what state the firewall is in.

use crate::exit::Exit;
use crate::protocol::Notice;
use crate::rehearsal::report::{self, Asked, Look, Report};
use crate::transaction::{Id, Reason};

/// How notices are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Lines for people.
    Text,
    /// The JSON lines as they come.
    Json,
}

/// How many changes are listed before the rest is only counted.
const CHANGES_SHOWN: usize = 12;

/// The lines that tell people of `notice`.
#[must_use]
pub fn lines(id: &Id, notice: &Notice) -> Vec<String> {
    match notice {
        Notice::Prepared => vec![format!(
            "Transaction {id}. The firewall is untouched; taking the checkpoint and trying it out."
        )],
        Notice::Rehearsed { report, forced } => rehearsed(report, *forced),
        Notice::Armed => vec![
            "The checkpoint is safe on disk and restores; a guardian holds it. The firewall is untouched."
                .to_owned(),
        ],
        Notice::Applying { command: false } => vec!["Applying the new rules.".to_owned()],
        Notice::Applying { command: true } => vec!["Running the command.".to_owned()],
        Notice::Live {
            deadline_seconds,
            confirm,
            changes,
            ..
        } => live(*deadline_seconds, confirm, changes),
        Notice::Connection { peer } => vec![format!(
            "New connection seen from {peer}. The new rules are live but not confirmed."
        )],
        Notice::Extended {
            deadline_seconds, ..
        } => vec![format!(
            "Extended: {deadline_seconds} s left to confirm. The new rules are live but not confirmed."
        )],
        Notice::Refused { message } => vec![format!(
            "A confirmation was refused. {message} The new rules are live but not confirmed."
        )],
        Notice::Confirmed { by, peer, forced } => vec![match (peer, forced) {
            (Some(peer), false) => format!("Confirmed by {by} over a new connection from {peer}."),
            (Some(peer), true) => format!("Confirmed by {by}, by force, from {peer}."),
            (None, _) => format!("Confirmed by {by}, by force."),
        }],
        Notice::Committed { changed: true } => {
            vec!["Committed: the new rules are live and stay.".to_owned()]
        }
        Notice::Committed { changed: false } => vec![
            "Nothing to confirm: the firewall holds these rules already, nothing was changed."
                .to_owned(),
        ],
        Notice::RollingBack { reason, error } => {
            let mut lines = vec![format!("Rolling back: {reason}.")];
            lines.extend(error.clone());
            lines
        }
        Notice::RolledBack {
            reason,
            drift,
            files,
            ..
        } => {
            let mut lines = vec![format!(
                "Rolled back ({reason}): the rules from before are live again, read back and compared."
            )];
            if !files.is_empty() {
                lines.push("What is loaded at boot is again what it was:".to_owned());
                lines.extend(indented(files));
            }
            if !drift.is_empty() {
                lines.push("Lost with it, for it was in the tables or files that were restored:".to_owned());
                lines.extend(indented(drift));
            }
            lines
        }
        Notice::RestoreFailed {
            differences,
            checkpoint,
        } => {
            let mut lines = vec![
                "THE ROLLBACK IS INCOMPLETE. The live rules differ from those before:".to_owned(),
            ];
            lines.extend(indented(differences));
            lines.push(format!("The checkpoint is kept in {checkpoint}."));
            lines.push("Try again with 'safe-apply recover'; keep this session open.".to_owned());
            lines
        }
        Notice::Failed {
            error,
            reason: Reason::Rehearsal,
        } => vec![
            format!("Refused: {error}"),
            "The firewall is untouched. With --force these rules are applied all the same."
                .to_owned(),
        ],
        Notice::Failed { error, .. } => {
            vec![format!("Failed: {error}"), "The firewall is untouched.".to_owned()]
        }
        Notice::Warning { message } => vec![format!("Warning: {message}")],
        Notice::Drift { changes, saved } => {
            let mut lines =
                vec!["Others changed the same tables or files while the change was pending:".to_owned()];
            lines.extend(indented(changes));
            lines.push(format!("Their version: {saved}."));
            lines
        }
        Notice::Persisted { path, backup } => vec![match backup {
            Some(backup) => format!("Written to {path}; what was there is in {backup}."),
            None => format!("Written to {path}."),
        }],
    }
}

/// The report of the rehearsal before an apply.
fn rehearsed(report: &Report, forced: bool) -> Vec<String> {
    let asked = if forced { Asked::Forced } else { Asked::Apply };
    let text = report::render(report, asked, Look::of_stdout(false));
    text.trim_end().lines().map(str::to_owned).collect()
}

fn live(seconds: u64, confirm: &str, changes: &[String]) -> Vec<String> {
    let mut lines = vec!["The new rules are live, read back and compared:".to_owned()];
    lines.extend(indented(&changes[..changes.len().min(CHANGES_SHOWN)]));
    if changes.len() > CHANGES_SHOWN {
        lines.push(format!("  … and {} more", changes.len() - CHANGES_SHOWN));
    }
    lines.push(format!(
        "They are rolled back in {seconds} s unless you confirm over a NEW connection:"
    ));
    lines.push(format!("    {confirm}"));
    lines
}

fn indented(lines: &[String]) -> impl Iterator<Item = String> + '_ {
    lines.iter().map(|line| format!("  {line}"))
}

/// The exit status that an outcome leads to; `None` for what is no outcome.
#[must_use]
pub const fn exit(notice: &Notice) -> Option<Exit> {
    match notice {
        Notice::Committed { .. } => Some(Exit::Success),
        Notice::RolledBack { reason, .. } => Some(rolled_back(*reason)),
        Notice::Failed { reason, .. } => Some(match reason {
            Reason::Requested | Reason::Terminated => Exit::RolledBack,
            Reason::Rehearsal => Exit::Refused,
            Reason::NotConfirmed
            | Reason::ApplyFailed
            | Reason::CommandDeadline
            | Reason::ClientLost
            | Reason::GuardianLost
            | Reason::Rebooted
            | Reason::PrepareFailed => Exit::Failed,
        }),
        Notice::RestoreFailed { .. } => Some(Exit::Incomplete),
        Notice::Prepared
        | Notice::Rehearsed { .. }
        | Notice::Armed
        | Notice::Applying { .. }
        | Notice::Live { .. }
        | Notice::Connection { .. }
        | Notice::Extended { .. }
        | Notice::Refused { .. }
        | Notice::Confirmed { .. }
        | Notice::RollingBack { .. }
        | Notice::Warning { .. }
        | Notice::Drift { .. }
        | Notice::Persisted { .. } => None,
    }
}

/// The exit status of a rollback for `reason`.
#[must_use]
pub const fn rolled_back(reason: Reason) -> Exit {
    match reason {
        Reason::ApplyFailed | Reason::PrepareFailed => Exit::Failed,
        Reason::Requested | Reason::Terminated | Reason::ClientLost => Exit::RolledBack,
        Reason::Rehearsal => Exit::Refused,
        Reason::NotConfirmed
        | Reason::CommandDeadline
        | Reason::GuardianLost
        | Reason::Rebooted => Exit::NotConfirmed,
    }
}
