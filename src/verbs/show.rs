//! `safe-apply show ID`: who, when, from where, what changed, outcome, why.

use anyhow::{Context, Result, bail};
use similar::TextDiff;

use super::{require_root, settle_first};
use crate::checkpoint::{self, Snapshot, render};
use crate::cli::Show;
use crate::client::out;
use crate::exit::Exit;
use crate::login_notice;
use crate::transaction::journal::Record;
use crate::transaction::{Store, Transaction};

/// Lines of context around a change.
const CONTEXT_LINES: usize = 2;

/// Shows one transaction.
///
/// # Errors
/// When there is no such transaction, or its records are damaged.
pub fn run(store: &Store, args: &Show) -> Result<Exit> {
    require_root("reading the history")?;
    settle_first(store)?;
    let transaction = store.get(args.id.parse().map_err(anyhow::Error::msg)?);
    if !transaction.dir().is_dir() {
        bail!(
            "there is no transaction {}; see 'safe-apply history'",
            args.id
        );
    }
    if let Some(notice) = login_notice::read(store.paths())
        && notice.transaction == transaction.id
    {
        login_notice::seen(store, &notice);
    }
    let meta = transaction.meta()?;
    out(&format!("Transaction {}", transaction.id));
    out(&format!("  applied   {} by {}", meta.created, meta.origin));
    out(&format!("  command   {}", meta.command_line));
    for record in transaction.records()? {
        show_record(&record);
    }
    out(&format!("  directory {}", transaction.dir().display()));
    match difference(&transaction) {
        Ok(diff) if diff.is_empty() => out("The change made no difference to the rules."),
        Ok(diff) => out(&diff),
        Err(error) => out(&format!("What changed cannot be shown: {error:#}")),
    }
    Ok(Exit::Success)
}

fn show_record(record: &Record) {
    if record.detail.finished {
        return;
    }
    let mut line = format!("  {} {}", record.time, record.state.name());
    if let Some(reason) = record.state.reason() {
        line.push_str(&format!(": {reason}"));
    }
    if let Some(peer) = &record.detail.peer {
        line.push_str(&format!(", confirmed from {peer}"));
    }
    if record.detail.forced {
        line.push_str(", by force");
    }
    out(&line);
    if let Some(error) = &record.detail.error {
        out(&format!("    {error}"));
    }
    for line in &record.detail.lines {
        out(&format!("    {line}"));
    }
    for file in &record.detail.files {
        out(&format!("    brought back: {file}"));
    }
}

/// The rules before and after as the tools print them, as a unified diff.
fn difference(transaction: &Transaction) -> Result<String> {
    let before = checkpoint::load(&transaction.checkpoint())?;
    let after =
        checkpoint::load(&transaction.applied()).context("the change was not carried out")?;
    let lock = transaction.file("xtables.lock");
    let text = |snapshot: &Snapshot| render(snapshot, &lock);
    let (before, after) = (text(&before)?, text(&after)?);
    Ok(TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header("before", "after")
        .to_string())
}
