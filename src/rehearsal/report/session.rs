//! The connection that the user sits on: what becomes of it, and what would help.

use std::net::SocketAddr;

use super::page::{Page, Tone};
use super::words::Asked;
use super::{Session, Standing};

/// Columns of what stands before the words.
const LABEL: usize = 18;

/// Writes what becomes of the session, and of a new login from the same place.
pub fn session(page: &mut Page, session: &Session, asked: Asked) {
    page.section(&format!("Login {}", ends(session)));
    let (lives, dies) = match asked {
        Asked::Live => ("works", "gets no answer"),
        Asked::Check | Asked::Apply | Asked::Forced => ("survives", "is cut off"),
    };
    told(page, "open session", &session.old, [lives, dies], "");
    let now = match session.login_before.as_ref().map(Standing::is_open) {
        Some(Some(true)) if session.login.is_open() != Some(true) => " (it does now)",
        Some(Some(false)) if session.login.is_open() == Some(true) => " (it does not now)",
        Some(Some(false)) => " (nor does it now)",
        Some(Some(true) | None) | None => "",
    };
    let words = ["gets in", "does not get in"];
    told(page, "new login", &session.login, words, now);
    if let Some(remedy) = &session.remedy {
        page.blank();
        page.hanging(
            "  ",
            "  ",
            &format!("What would help, {}:", remedy.place),
            Tone::Plain,
        );
        for line in &remedy.lines {
            page.verbatim(line);
        }
    }
}

/// From where to where, by which interface.
fn ends(session: &Session) -> String {
    let mut text = format!("from {} to {}", end(session.peer), end(session.local));
    if let Some(interface) = &session.interface {
        text.push_str(&format!(", by {interface}"));
    }
    text
}

/// An address, with its port where there is one.
fn end(address: SocketAddr) -> String {
    if address.port() == 0 {
        address.ip().to_string()
    } else {
        format!("{} port {}", address.ip(), address.port())
    }
}

/// Writes what becomes of one connection, in the word for good news or for bad.
fn told(page: &mut Page, label: &str, standing: &Standing, words: [&str; 2], now: &str) {
    let [good, bad] = words;
    let first = format!("  {label:<width$}", width = LABEL - 2);
    let rest = " ".repeat(LABEL);
    match standing {
        Standing::Open => page.hanging(&first, &rest, &format!("{good}{now}"), Tone::Good),
        Standing::Rejected { .. } => {
            page.hanging(&first, &rest, &format!("{bad}: rejected{now}"), Tone::Bad);
        }
        Standing::Blocked { .. } => {
            page.hanging(&first, &rest, &format!("{bad}: blocked{now}"), Tone::Bad);
        }
        Standing::NotRehearsed { reason } => {
            let text = format!("not rehearsed: {reason}");
            page.hanging(&first, &rest, &text, Tone::Doubt);
        }
    }
    if let Some(by) = standing.by() {
        let answer = if by.spot.reply {
            "the answer, by "
        } else {
            "by "
        };
        page.decision(&format!("{rest}{answer}"), &rest, by);
    }
}
