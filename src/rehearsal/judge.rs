//! What follows from what was seen. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Flow;
use super::advice::{Advised, advise};
use super::limits::{Limit, forwards, limits};
use super::plan::Ask;
use super::probe::Outcome;
use super::rehearse::{Rehearsal, Seen};
use super::report::{Decision, Remedy, Report, Requirement, Row, Session, Standing, Verdict};
use super::source::{self, Sources};

/// What became of one probe, and why.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What its sender saw.
    pub outcome: Outcome,
    /// How it was sent.
    pub flow: Flow,
    /// The rule that stopped it.
    pub decision: Option<Decision>,
    /// What became of the same probe where there are no rules, if that was asked.
    pub unruled: Option<Outcome>,
}

impl Heard {
    /// How that stands. `was_open`: it got through the rules from before, so it is the
    /// change that stops it. `forwards`: these rules send packets on to other hosts.
    #[must_use]
    pub fn standing(&self, was_open: bool, forwards: bool) -> Standing {
        let by = self.decision.clone();
        let unruled = self.unruled == Some(Outcome::Answered) && !forwards;
        let by_rules = by.is_some() || was_open || unruled;
        match &self.outcome {
            Outcome::Answered => Standing::Open,
            Outcome::Rejected if by_rules => Standing::Rejected { by },
            Outcome::Silence if by_rules => Standing::Blocked { by },
            Outcome::Rejected | Outcome::Silence => unknown(if forwards {
                "it gets no answer here; the rules may forward it"
            } else {
                "it gets no answer here even without any rules"
            }),
            Outcome::Unsent(reason) => unknown(reason),
        }
    }
}

/// How everything stands, and what follows.
#[must_use]
pub fn report(
    rehearsal: &Rehearsal<'_>,
    sources: &Sources,
    before: Option<Seen>,
    after: Seen,
) -> Report {
    let judge = Judge {
        rehearsal,
        before: before.as_ref(),
        after: &after,
        limits: limits(sources, rehearsal.compiled.unwrap_or(rehearsal.checkpoint)),
        forwards: forwards(rehearsal.compiled.unwrap_or(rehearsal.checkpoint)),
        forwarded: forwards(rehearsal.checkpoint),
    };
    let session = judge.session(sources);
    let rows = judge.rows();
    let requirements = judge.requirements(&rows);
    let advised = Advised {
        candidates: rehearsal.candidates,
        sources,
        checkpoint: rehearsal.checkpoint,
        compiled: rehearsal.compiled.unwrap_or(rehearsal.checkpoint),
        host: rehearsal.host,
        how: rehearsal.how,
        you: rehearsal.you.map(|you| you.peer.ip()),
    };
    Report {
        verdict: verdict(session.as_ref(), &requirements),
        session,
        rows,
        requirements,
        way_back: after.way_back.as_ref().map(Vec::is_empty),
        advice: advise(&advised),
        not_rehearsed: judge.not_rehearsed(),
        milliseconds: 0,
    }
}

struct Judge<'a> {
    rehearsal: &'a Rehearsal<'a>,
    before: Option<&'a Seen>,
    after: &'a Seen,
    limits: Vec<Limit>,
    forwards: bool,
    forwarded: bool,
}

impl Judge<'_> {
    fn session(&self, sources: &Sources) -> Option<Session> {
        let (you, ask) = (self.rehearsal.you?, self.rehearsal.plan.login.as_ref()?);
        let (login_before, login) = self.stand(
            ask,
            self.before.and_then(|seen| seen.login.as_ref()),
            self.after.login.as_ref(),
        );
        let old = match &self.after.old {
            None if self.rehearsal.compiled.is_none() => Standing::Open,
            None => unknown("it was not tried"),
            Some(Err(reason)) => unknown(reason),
            Some(Ok(heard)) => self.trusted(ask, heard.standing(true, self.forwards)),
        };
        let remedy = remedy(&login, &old, ask, sources);
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
            let (before, after) = self.stand(
                ask,
                self.before.and_then(|seen| seen.rows.get(at)),
                self.after.rows.get(at),
            );
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
        before: Option<&Heard>,
        after: Option<&Heard>,
    ) -> (Option<Standing>, Standing) {
        let was_open = before.is_some_and(|heard| heard.outcome == Outcome::Answered);
        let before = before.map(|heard| match self.after.doubts.get(&ask.remote) {
            Some(doubt) => unknown(doubt),
            None => heard.standing(false, self.forwarded),
        });
        let after = after.map_or_else(
            || unknown("it was not tried"),
            |heard| self.trusted(ask, heard.standing(was_open, self.forwards)),
        );
        (before, after)
    }

    /// What looks open is not called open where the rehearsal cannot know.
    fn trusted(&self, ask: &Ask, standing: Standing) -> Standing {
        if let Some(doubt) = self.after.doubts.get(&ask.remote) {
            return unknown(doubt);
        }
        let limit = self.limits.iter().find(|limit| limit.concerns(ask));
        match (standing, limit) {
            (Standing::Open, Some(limit)) => unknown(limit.words()),
            (standing, _) => standing,
        }
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
        let mut lines: Vec<String> = self.rehearsal.host.left_out.clone();
        lines.extend(self.rehearsal.plan.left_out.iter().cloned());
        lines.extend(self.after.limits.iter().cloned());
        lines.extend(self.limits.iter().map(Limit::words));
        if self.forwards {
            lines.push("services that these rules forward to other hosts or containers".to_owned());
        }
        let mut seen = BTreeSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        lines
    }
}

/// Whether all of `standings` are open; `None` where that is not known.
fn met(standings: &[(IpAddr, Standing)]) -> Option<bool> {
    let closed = |standing: &Standing| {
        matches!(standing, Standing::Blocked { .. } | Standing::Rejected { .. })
    };
    if standings.iter().any(|(_, one)| closed(one)) {
        return Some(false);
    }
    let open = |(_, one): &(IpAddr, Standing)| *one == Standing::Open;
    (!standings.is_empty() && standings.iter().all(open)).then_some(true)
}

fn verdict(session: Option<&Session>, requirements: &[Requirement]) -> Verdict {
    let parts = session.map_or_else(Vec::new, |session| vec![&session.old, &session.login]);
    let closed = |standing: &&&Standing| {
        matches!(standing, Standing::Blocked { .. } | Standing::Rejected { .. })
    };
    if parts.iter().any(|one| closed(&one)) {
        Verdict::Lockout
    } else if requirements.iter().any(|one| one.met == Some(false)) {
        Verdict::Unmet
    } else if session.is_none() || parts.iter().any(|one| **one != Standing::Open) {
        Verdict::Unknown
    } else {
        Verdict::Safe
    }
}

/// What to add, from what stopped the login, or else the session.
fn remedy(login: &Standing, old: &Standing, ask: &Ask, sources: &Sources) -> Option<Remedy> {
    let decision = |standing: &Standing| match standing {
        Standing::Rejected { by } | Standing::Blocked { by } => by.clone(),
        Standing::Open | Standing::NotRehearsed { .. } => None,
    };
    let decision = decision(login).or_else(|| decision(old))?;
    let old_died = matches!(old, Standing::Blocked { .. } | Standing::Rejected { .. });
    let flow = Flow {
        protocol: ask.probe.protocol,
        source: ask.probe.source,
        destination: ask.probe.destination,
    };
    source::remedy(&decision, &flow, old_died, sources)
}

fn unknown(reason: impl Into<String>) -> Standing {
    Standing::NotRehearsed {
        reason: reason.into(),
    }
}
