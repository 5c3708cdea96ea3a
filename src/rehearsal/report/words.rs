//! The verdict in one sentence, and what state the firewall is in.

use super::page::{Page, Tone};
use super::{Report, Session, Standing, Verdict};

/// What was asked, and what follows from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `check RULES`: only to know.
    Check,
    /// `check --live`: only to know, about the rules that are live.
    Live,
    /// Before an apply, which a bad verdict stops.
    Apply,
    /// Before an apply, which goes on under any verdict (`--force`).
    Forced,
}

/// Writes the verdict.
pub fn verdict(page: &mut Page, report: &Report, asked: Asked) {
    let tone = match report.verdict {
        Verdict::Safe => Tone::Good,
        Verdict::Lockout | Verdict::Unmet => Tone::Bad,
        Verdict::Unknown => Tone::Doubt,
    };
    page.paragraph(&sentence(report, asked), tone);
}

fn sentence(report: &Report, asked: Asked) -> String {
    let rules = match asked {
        Asked::Live => "the live rules",
        Asked::Check | Asked::Apply | Asked::Forced => "these rules",
    };
    match (report.verdict, &report.session) {
        (Verdict::Safe, Some(session)) => {
            let mut text = format!(
                "SAFE: with {rules} a new login from {} gets in.",
                session.peer.ip()
            );
            if session.old.is_open() == Some(false) {
                text.push_str(" But the session that is open now is cut off.");
            }
            text
        }
        (Verdict::Safe, None) => format!(
            "SAFE: {rules} block nothing that is required. There is no login to rehearse; --as ADDR names one."
        ),
        (Verdict::Lockout, Some(session)) if session.login.is_open() != Some(true) => format!(
            "LOCKOUT: with {rules} no new login from {} gets in.",
            session.peer.ip()
        ),
        (Verdict::Lockout, _) => format!("LOCKOUT: {rules} lock you out."),
        (Verdict::Unmet, _) => format!("BLOCKED by {rules}, but required: {}.", unmet(report)),
        (Verdict::Unknown, session) => format!(
            "UNKNOWN: whether you get in with {rules} could not be rehearsed: {}.",
            why(report, session.as_ref()).trim_end_matches('.')
        ),
    }
}

/// What is required and blocked.
fn unmet(report: &Report) -> String {
    let unmet: Vec<&str> = report
        .requirements
        .iter()
        .filter(|requirement| requirement.met == Some(false))
        .map(|requirement| requirement.text.as_str())
        .collect();
    unmet.join(", ")
}

/// Why it is not known whether the user gets in.
fn why<'a>(report: &'a Report, session: Option<&'a Session>) -> &'a str {
    match session.map(|session| &session.login) {
        Some(Standing::NotRehearsed { reason }) => reason,
        Some(Standing::Open | Standing::Rejected { .. } | Standing::Blocked { .. }) | None => {
            report.not_rehearsed.first().map_or(
                "there is no login to rehearse; --as ADDR names one",
                String::as_str,
            )
        }
    }
}

/// What state the firewall is in.
pub const fn state(verdict: Verdict, asked: Asked) -> &'static str {
    match (asked, verdict) {
        (Asked::Check, _) => "The live rules are untouched.",
        (Asked::Live, _) => "Nothing was changed.",
        (Asked::Apply, Verdict::Lockout | Verdict::Unmet) => {
            "Refused. The live rules are untouched; --force applies these all the same."
        }
        (Asked::Forced, Verdict::Lockout | Verdict::Unmet) => {
            "The live rules are untouched; going on by force."
        }
        (Asked::Apply | Asked::Forced, Verdict::Safe | Verdict::Unknown) => {
            "The live rules are untouched."
        }
    }
}
