//! What follows from what was seen.

mod under;
mod verdict;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::advice::{Advised, advise};
use super::limits::{Limited, Live, limits, sends_on};
use super::plan::Ask;
use super::probe::Outcome;
use super::rehearse::{Rehearsal, Seen};
use super::report::{Report, Requirement, Row, Session, Standing};
use super::source::Sources;
use crate::candidate::Kind;
pub use under::Heard;
use under::{Under, unknown, words};
use verdict::{met, remedy, verdict};

/// What is said of a probe that has no answer at all.
const UNTRIED: &str = "it was not tried";

/// How everything stands, and what follows.
#[must_use]
pub fn report(
    rehearsal: &Rehearsal<'_>,
    sources: &Sources,
    before: Option<Seen>,
    after: Seen,
) -> Report {
    let rules = rehearsal.compiled.unwrap_or(rehearsal.checkpoint);
    let live = &Live::read();
    let limits_of = |rules| {
        limits(&Limited {
            sources,
            checkpoint: rehearsal.checkpoint,
            rules,
            host: rehearsal.host,
            live,
        })
    };
    let judge = Judge {
        rehearsal,
        before: before.as_ref().map(|seen| Under {
            seen,
            limits: limits_of(rehearsal.checkpoint),
            forwards: sends_on(rehearsal.checkpoint),
            programs: live.programs,
        }),
        after: Under {
            seen: &after,
            limits: limits_of(rules),
            forwards: sends_on(rules),
            programs: live.programs,
        },
    };
    let advised = Advised {
        candidates: rehearsal.candidates,
        sources,
        checkpoint: rehearsal.checkpoint,
        compiled: rules,
        host: rehearsal.host,
        noflush: rehearsal.how.noflush,
        session: rehearsal.you.map(|you| (you.peer, you.login)),
    };
    let session = judge.session(sources);
    let rows = judge.rows();
    let requirements = judge.requirements(&rows);
    Report {
        verdict: verdict(session.as_ref(), &requirements),
        session,
        rows,
        requirements,
        way_back: judge.after.seen.way_back.as_ref().map(Vec::is_empty),
        advice: advise(&advised),
        not_rehearsed: judge.not_rehearsed(),
        milliseconds: 0,
    }
}

struct Judge<'a> {
    rehearsal: &'a Rehearsal<'a>,
    before: Option<Under<'a>>,
    after: Under<'a>,
}

impl Judge<'_> {
    fn session(&self, sources: &Sources) -> Option<Session> {
        let (you, ask) = (self.rehearsal.you?, self.rehearsal.plan.login.as_ref()?);
        let (login_before, login) = self.stand(ask, |seen| seen.login.clone());
        let old = match &self.after.seen.old {
            None if self.rehearsal.compiled.is_none() => Standing::Open,
            None => unknown(UNTRIED),
            Some(Err(reason)) => unknown(reason),
            Some(Ok(heard)) => self.after.stand(ask, heard, true),
        };
        let candidates = self.rehearsal.candidates.iter();
        let kinds: Vec<Kind> = candidates.map(|one| one.kind).collect();
        let remedy = remedy(&login, &old, ask, sources, &kinds);
        Some(Session {
            peer: you.peer,
            local: you.login,
            interface: self.rehearsal.interface.map(str::to_owned),
            old,
            login_before,
            login,
            remedy,
        })
    }

    fn rows(&self) -> Vec<Row> {
        let asks = self.rehearsal.plan.asks.iter().enumerate();
        asks.map(|(at, ask)| {
            let (before, after) = self.stand(ask, |seen| seen.rows.get(at).cloned());
            Row {
                direction: ask.direction,
                protocol: ask.probe.protocol,
                port: ask.probe.destination.port(),
                local: ask.local,
                peer: ask.peer,
                peer_address: ask.remote,
                what: ask.what.clone(),
                before,
                after,
            }
        })
        .collect()
    }

    /// How an ask stood before, if that was asked, and stands after.
    fn stand(
        &self,
        ask: &Ask,
        find: impl Fn(&Seen) -> Option<Heard>,
    ) -> (Option<Standing>, Standing) {
        let heard = self.before.as_ref().and_then(|under| find(under.seen));
        let was_open = heard
            .as_ref()
            .is_some_and(|heard| heard.outcome == Outcome::Answered);
        let before = self.before.as_ref().map(|under| match &heard {
            Some(heard) => under.stand(ask, heard, false),
            None => unknown(UNTRIED),
        });
        let after = match find(self.after.seen) {
            Some(heard) => self.after.stand(ask, &heard, was_open),
            None => unknown(UNTRIED),
        };
        (before, after)
    }

    fn requirements(&self, rows: &[Row]) -> Vec<Requirement> {
        let required = &self.rehearsal.plan.requirements;
        required
            .iter()
            .map(|(one, places)| {
                let standings: Vec<(IpAddr, Standing)> = places
                    .iter()
                    .filter_map(|at| rows.get(*at))
                    .map(|row| (row.peer_address, row.after.clone()))
                    .collect();
                Requirement {
                    text: one.text.clone(),
                    met: met(&standings),
                    standings,
                }
            })
            .collect()
    }

    fn not_rehearsed(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.rehearsal.you.is_none() {
            lines
                .push("no login over the network was found; name one with --as ADDRESS".to_owned());
        }
        lines.extend(self.rehearsal.host.left_out.iter().cloned());
        lines.extend(self.rehearsal.plan.left_out.iter().cloned());
        lines.extend(self.after.seen.limits.iter().cloned());
        lines.extend(self.after.limits.list.iter().map(words));
        let mut seen = BTreeSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        lines
    }
}
