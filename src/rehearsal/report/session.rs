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
    told(page, "open session", &session.old, lives, dies);
    told(
        page,
        "new login",
        &session.login,
        "gets in",
        "does not get in",
    );
    let now = match session.login_before.as_ref().map(Standing::is_open) {
        Some(Some(true)) if session.login.is_open() != Some(true) => "it does now",
        Some(Some(false)) if session.login.is_open() == Some(true) => "it does not now",
        Some(Some(false)) => "nor does it now",
        Some(Some(true) | None) | None => "",
    };
    if !now.is_empty() {
        page.hanging(&" ".repeat(LABEL), "", &format!("({now})"), Tone::Quiet);
    }
    if let Some(remedy) = &session.remedy {
        page.blank();
        page.hanging(
            "  ",
            "  ",
            &format!("What would let it in, {}:", remedy.place),
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

fn told(page: &mut Page, label: &str, standing: &Standing, good: &str, bad: &str) {
    let first = format!("  {label:<width$}", width = LABEL - 2);
    let rest = " ".repeat(LABEL);
    match standing {
        Standing::Open => page.hanging(&first, &rest, good, Tone::Good),
        Standing::Rejected { .. } => {
            page.hanging(&first, &rest, &format!("{bad}: rejected"), Tone::Bad);
        }
        Standing::Blocked { .. } => {
            page.hanging(&first, &rest, &format!("{bad}: blocked"), Tone::Bad);
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
        page.hanging(&rest, &rest, &format!("{answer}{by}"), Tone::Plain);
    }
}
