//! The confusion matrix, and what was wrong.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::compare::{Fault, Guess, Judged, Kind, LOCKOUT, compare, explained, verdict_faults};
use crate::many::Job;
use crate::predict::Predictor;
use crate::probe::{PATIENT, QUICK, Seen};
use crate::session::Speaker;
use crate::truth::{Manner, Outcome, alone, examine, session_alone};

/// Why a session that is called dead may live.
const WORSE: &str = "who speaks first decides about the old session, and the worse counts";

/// Counts over many cases.
#[derive(Debug, Default)]
pub struct Tally {
    tried: AtomicUsize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    matrix: BTreeMap<(Kind, Guess, Seen), usize>,
    cases: BTreeMap<&'static str, usize>,
    explained: BTreeMap<&'static str, usize>,
    /// Reasons for not rehearsing, and how often.
    unrehearsed: BTreeMap<String, usize>,
}

const GUESSES: [Guess; 4] = [
    Guess::Open,
    Guess::Rejected,
    Guess::Blocked,
    Guess::NotRehearsed,
];
const KINDS: [Kind; 5] = [
    Kind::Session,
    Kind::Login,
    Kind::In,
    Kind::Out,
    Kind::Loopback,
];
const SEEN: [Seen; 3] = [Seen::Open, Seen::Rejected, Seen::Blocked];

impl Tally {
    /// Examines a case; what is wrong with its predictions, for people.
    ///
    /// A fault is looked at again with more patience, twice: on a machine under load an answer
    /// may come late, and a late one opens what waits for it. Only what is wrong each time counts.
    pub fn try_job(&self, job: &Job, predictor: &Predictor) -> Result<Outcome, String> {
        let (case, front, before) = (&job.case, job.front, job.before);
        let first = if self.tried.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            Speaker::Host
        } else {
            Speaker::User
        };
        let manner = |patience: Duration| Manner {
            front,
            patience,
            before,
            first,
        };
        let outcome = examine(case, predictor, manner(QUICK));
        let faults = self.judge(job, manner(QUICK), &outcome, true);
        if faults.is_empty() {
            return Ok(outcome);
        }
        let again = || {
            let outcome = examine(case, predictor, manner(PATIENT));
            (self.judge(job, manner(PATIENT), &outcome, false), outcome)
        };
        let (mut wrong, mut outcome) = again();
        if !wrong.is_empty() {
            (wrong, outcome) = again();
        }
        if wrong.is_empty() {
            println!("not seen again, case {}:\n{}", case.name, faults.join("\n"));
            self.count("wrong once, right when tried again");
            return Ok(outcome);
        }
        let said = match &outcome {
            Outcome::Applied { prediction, .. } | Outcome::Refused { prediction, .. } => {
                prediction.said.as_str()
            }
            Outcome::NoLive(_) | Outcome::NoSession => "",
        };
        Err(format!(
            "{}: {}\n{case}\nsaid: {said}",
            case.name,
            wrong.join("\n")
        ))
    }

    fn judge(&self, job: &Job, manner: Manner, outcome: &Outcome, count: bool) -> Vec<String> {
        let case = &job.case;
        match outcome {
            Outcome::NoLive(said) => {
                println!("{}: {}", case.name, said.lines().next().unwrap_or_default());
                self.count("live rules refused by the tools");
                Vec::new()
            }
            Outcome::NoSession => {
                self.count("no session under the live rules");
                Vec::new()
            }
            Outcome::Refused { prediction, said } => {
                self.count("candidate refused by the tools");
                let safe = prediction.exit == 0 || prediction.report.is_some();
                let fault = format!("it does not load ({said}), and that was not seen");
                if safe { vec![fault] } else { Vec::new() }
            }
            Outcome::Applied {
                prediction,
                after,
                before,
            } => {
                let mut faults = verdict_faults(case, prediction, after);
                let report = prediction.report.as_ref();
                let judged =
                    report.map_or_else(Vec::new, |report| compare(report, after, before.as_ref()));
                if count {
                    self.count("compared");
                    self.add(&judged);
                }
                for one in judged {
                    let Some(fault) = one.fault() else { continue };
                    if one.kind == Kind::Session && fault == Fault::WrongBlocked {
                        let other = manner.first.other();
                        let other = Manner {
                            first: other,
                            ..manner
                        };
                        if session_alone(case, other) != Some(Seen::Open) {
                            self.explain(WORSE);
                            faults.retain(|fault| !fault.starts_with(LOCKOUT));
                            continue;
                        }
                    }
                    match explained(case, job.front, &one) {
                        // However good the reason: alone it has to be open.
                        Some(_) if fault == Fault::WrongOpen && !is_open_alone(job, &one) => {
                            faults.push(format!("{}, even alone: {one}", name(fault)));
                        }
                        Some(reason) => self.explain(reason),
                        None => faults.push(format!("{}: {one}", name(fault))),
                    }
                }
                faults
            }
        }
    }

    fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().cases.entry(what).or_default() += 1;
    }

    fn explain(&self, reason: &'static str) {
        let mut counts = self.counts.lock().unwrap();
        *counts.explained.entry(reason).or_default() += 1;
    }

    fn add(&self, judged: &[Judged]) {
        let mut counts = self.counts.lock().unwrap();
        for one in judged {
            let key = (one.kind, one.guess, one.seen);
            *counts.matrix.entry(key).or_default() += 1;
            if one.guess == Guess::NotRehearsed {
                // Without the rule that it is about.
                let reason = one.what.rsplit("`: ").next().unwrap_or_default();
                let reason = reason.rsplit("reason: ").next().unwrap_or_default();
                *counts.unrehearsed.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }

    /// How many cases were compared.
    pub fn compared(&self) -> usize {
        let counts = self.counts.lock().unwrap();
        counts.cases.get("compared").copied().unwrap_or_default()
    }

    /// How many predictions of a kind were made and came out so.
    pub fn of(&self, kind: Kind, guess: Guess, seen: Seen) -> usize {
        let counts = self.counts.lock().unwrap();
        counts
            .matrix
            .get(&(kind, guess, seen))
            .copied()
            .unwrap_or_default()
    }

    /// All of it, for people.
    pub fn table(&self, title: &str) -> String {
        let mut text = format!("{title}\n  predicted      really: open  rejected   blocked\n");
        for kind in KINDS {
            for guess in GUESSES {
                let row: Vec<_> = SEEN.map(|seen| self.of(kind, guess, seen)).into();
                if row.iter().sum::<usize>() > 0 {
                    let _ = writeln!(
                        text,
                        "  {:<9}{:<13}{:>6}{:>10}{:>10}",
                        format!("{kind:?}"),
                        format!("{guess:?}"),
                        row[0],
                        row[1],
                        row[2]
                    );
                }
            }
        }
        let counts = self.counts.lock().unwrap();
        let lists = [("cases", &counts.cases), ("explained", &counts.explained)];
        for (name, list) in lists {
            for (what, count) in list {
                let _ = writeln!(text, "  {name}: {count} {what}");
            }
        }
        for (reason, count) in &counts.unrehearsed {
            let _ = writeln!(text, "  not rehearsed: {count} {reason}");
        }
        text
    }
}

fn is_open_alone(job: &Job, judged: &Judged) -> bool {
    let see = |row| alone(&job.case, row, judged.before, job.front, PATIENT);
    judged.row.as_ref().map(see) == Some(Seen::Open)
}

const fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::WrongOpen => "WRONG OPEN",
        Fault::WrongBlocked => "WRONG BLOCKED",
        Fault::Mixed => "MIXED UP",
    }
}
