//! The report for scripts.

use serde::Serialize;

use super::Report;
use crate::transaction::clock;

/// An event of `--json` that belongs to no transaction.
#[derive(Serialize)]
struct Rehearsed<'a> {
    event: &'static str,
    transaction: Option<&'a str>,
    time: String,
    report: &'a Report,
}

/// `report` as `check --json` prints it: one line, the event `rehearsed` with no transaction.
///
/// # Errors
/// None that a report can cause.
pub fn line(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Rehearsed {
        event: "rehearsed",
        transaction: None,
        time: clock::timestamp(),
        report,
    })
}
