//! What was predicted against what was seen.

use std::fmt;

use safe_apply::rehearsal::report::{Direction, Peer, Report, Row, Standing, Verdict};

use crate::case::Case;
use crate::measure::Truth;
use crate::predict::Prediction;
use crate::probe::Seen;
use crate::session::Front;
use crate::truth::{SPECIFIC_PORT, expected_services};

/// What a prediction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Session,
    Login,
    In,
    Out,
    Loopback,
}

/// What was predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guess {
    Open,
    Rejected,
    Blocked,
    NotRehearsed,
}

/// One prediction beside its truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub kind: Kind,
    pub guess: Guess,
    pub seen: Seen,
    /// Whether it is about the live rules.
    pub before: bool,
    /// The row, for people.
    pub what: String,
    /// The row itself.
    pub row: Option<Row>,
}

/// A prediction that is not true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It was called open.
    WrongOpen,
    /// It was called blocked or rejected, and is open.
    WrongBlocked,
    /// Rejected was called blocked, or the other way round.
    Mixed,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.before { "before" } else { "after" };
        write!(
            f,
            "{:?} ({when}): predicted {:?}, really {:?}: {}",
            self.kind, self.guess, self.seen, self.what
        )
    }
}

impl Judged {
    /// What is wrong with it.
    pub const fn fault(&self) -> Option<Fault> {
        match (self.guess, self.seen) {
            (Guess::NotRehearsed, _)
            | (Guess::Open, Seen::Open)
            | (Guess::Rejected, Seen::Rejected)
            | (Guess::Blocked, Seen::Blocked) => None,
            (Guess::Open, Seen::Rejected | Seen::Blocked) => Some(Fault::WrongOpen),
            (Guess::Rejected | Guess::Blocked, Seen::Open) => Some(Fault::WrongBlocked),
            (Guess::Rejected, Seen::Blocked) | (Guess::Blocked, Seen::Rejected) => {
                Some(Fault::Mixed)
            }
        }
    }
}

const fn guess(standing: &Standing) -> Guess {
    match standing {
        Standing::Open => Guess::Open,
        Standing::Rejected { .. } => Guess::Rejected,
        Standing::Blocked { .. } => Guess::Blocked,
        Standing::NotRehearsed { .. } => Guess::NotRehearsed,
    }
}

const fn kind(row: &Row) -> Kind {
    match (row.peer, row.direction) {
        (Peer::Loopback, _) => Kind::Loopback,
        (_, Direction::In) => Kind::In,
        (_, Direction::Out) => Kind::Out,
    }
}

/// Every prediction of a report beside its truth.
pub fn compare(report: &Report, after: &Truth, before: Option<&Truth>) -> Vec<Judged> {
    let mut all = Vec::new();
    let mut judge = |kind, standing: &Standing, seen, before, what: String, row: Option<&Row>| {
        all.push(Judged {
            row: row.cloned(),
            kind,
            guess: guess(standing),
            seen,
            before,
            what: format!("{what}: {standing:?}"),
        });
    };
    if let Some(session) = &report.session {
        let what = format!("{} to {}", session.peer, session.local);
        if let Some(seen) = after.session {
            judge(Kind::Session, &session.old, seen, false, what.clone(), None);
        }
        judge(
            Kind::Login,
            &session.login,
            after.login,
            false,
            what.clone(),
            None,
        );
        if let (Some(standing), Some(truth)) = (&session.login_before, before) {
            judge(Kind::Login, standing, truth.login, true, what, None);
        }
    }
    for (at, row) in report.rows.iter().enumerate() {
        let what = format!(
            "{:?} {}/{} local {} {:?} {} ({})",
            row.direction,
            row.protocol,
            row.port,
            row.local,
            row.peer,
            row.peer_address,
            row.what.as_deref().unwrap_or("-")
        );
        judge(
            kind(row),
            &row.after,
            after.rows[at],
            false,
            what.clone(),
            Some(row),
        );
        if let (Some(standing), Some(truth)) = (&row.before, before) {
            judge(kind(row), standing, truth.rows[at], true, what, Some(row));
        }
    }
    all
}

/// What the verdict as a whole gets wrong.
pub fn verdict_faults(case: &Case, prediction: &Prediction, truth: &Truth) -> Vec<String> {
    let Some(report) = &prediction.report else {
        return vec![format!(
            "no report, although the rules load: {}",
            prediction.said
        )];
    };
    let mut faults = Vec::new();
    let text = case.text();
    let counts = LIMITS.iter().any(|word| text.contains(word));
    let expected = match report.verdict {
        Verdict::Safe => Some(0),
        Verdict::Lockout | Verdict::Unmet => Some(5),
        Verdict::Unknown => None,
    };
    if expected.is_some_and(|exit| exit != prediction.exit) {
        let exit = prediction.exit;
        faults.push(format!("{:?} with exit status {exit}", report.verdict));
    }
    let alive = truth.session.is_none_or(|seen| seen == Seen::Open);
    match (report.verdict, truth.login) {
        (Verdict::Safe, Seen::Rejected | Seen::Blocked) => {
            faults.push(format!("called safe, but a login is {:?}", truth.login));
        }
        (Verdict::Lockout, Seen::Open) if alive && !counts => {
            faults.push(format!("{LOCKOUT}, but session and login work"));
        }
        (_, _) => {}
    }
    if report.session.is_none() {
        faults.push("the report has no session".to_owned());
    }
    faults.extend(missing_rows(case, report));
    faults
}

/// What listens, and is neither in the table nor among what is not rehearsed.
fn missing_rows(case: &Case, report: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    for (protocol, address) in expected_services() {
        for peer in [Peer::You, Peer::Stranger] {
            let v4 = address.is_ipv4();
            let has_row = report.rows.iter().any(|row| {
                (row.direction, row.protocol, row.port) == (Direction::In, protocol, address.port())
                    && row.local.is_ipv4() == v4
                    && row.peer == peer
            });
            // The user has one address.
            let is_asked = peer != Peer::You || case.user.is_ipv4() == v4;
            let service = format!("{protocol}/{} ", address.port());
            let is_named = report
                .not_rehearsed
                .iter()
                .any(|one| one.starts_with(&service));
            // A service on one address is not reached from everywhere.
            if is_asked && !has_row && !is_named && address.port() != SPECIFIC_PORT {
                faults.push(format!(
                    "no row for {protocol}/{} at {address} from {peer:?}",
                    address.port()
                ));
            }
        }
    }
    faults
}

/// How a complaint about that verdict begins.
pub const LOCKOUT: &str = "called a lockout";

/// Why a limit makes a login fail, and another one not.
const PACKETS: &str = "limits on packets: a longer login meets what a shorter one does not";
/// What rules that count, or throw dice, have in them.
const LIMITS: [&str; 6] = [
    "limit",
    "recent",
    "statistic",
    "quota",
    "numgen",
    "ct count",
];

/// Why a prediction may differ from what was seen, for classes of rules about which no
/// single answer is true.
pub fn explained(case: &Case, front: Front, judged: &Judged) -> Option<&'static str> {
    let text = case.text();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let limits = has(&LIMITS);
    let fault = judged.fault();
    match judged.kind {
        Kind::Session if front == Front::Ssh && fault == Some(Fault::Mixed) => {
            Some("ICMP errors about a connection that stands: ssh does not ask for them")
        }
        Kind::Session | Kind::Login if fault != Some(Fault::WrongOpen) && limits => Some(PACKETS),
        Kind::Session | Kind::Login => None,
        Kind::In | Kind::Out | Kind::Loopback
            if fault != Some(Fault::WrongOpen) && has(&["length"]) =>
        {
            Some("a rule that looks at the length of packets")
        }
        Kind::In | Kind::Out | Kind::Loopback if limits => {
            Some("rate limits: who comes first gets through, and the probes go at once")
        }
        Kind::In | Kind::Out | Kind::Loopback => None,
    }
}
