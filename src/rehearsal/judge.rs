//! What follows from what was seen. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::advice::{Advised, advise};
use super::limits::{Limit, Limited, Limits, Live, limits, sends_on};
use super::plan::Ask;
use super::probe::Outcome;
use super::rehearse::{Rehearsal, Seen};
use super::report::{Decision, Remedy, Report, Requirement, Row, Session, Standing, Verdict};
use super::source::{self, Sources};
use super::{Flow, Protocol};
use crate::candidate::Kind;

/// Stands for the port of a new connection.
const EPHEMERAL_PORT: u16 = 50_022;

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
    let rules = rehearsal.compiled.unwrap_or(rehearsal.checkpoint);
    let limited = Limited {
        sources,
        checkpoint: rehearsal.checkpoint,
        rules,
        host: rehearsal.host,
        live: &Live::read(),
    };
    let judge = Judge {
        rehearsal,
        before: before.as_ref(),
        after: &after,
        limits: limits(&limited),
        forwards: sends_on(rules),
        forwarded: sends_on(rehearsal.checkpoint),
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
    limits: Limits,
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
            Some(Ok(heard)) => self.trusted(ask, heard, true),
        };
        let kinds: Vec<Kind> = self
            .rehearsal
            .candidates
            .iter()
            .map(|one| one.kind)
            .collect();
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
        let before = before.map(
            |heard| match self.after.doubts.get(&(ask.remote, ask.local)) {
                Some(doubt) => unknown(doubt),
                None => heard.standing(false, self.forwarded),
            },
        );
        let after = after.map_or_else(
            || unknown("it was not tried"),
            |heard| self.trusted(ask, heard, was_open),
        );
        (before, after)
    }

    /// What looks open is not called open where the rehearsal cannot know.
    fn trusted(&self, ask: &Ask, heard: &Heard, was_open: bool) -> Standing {
        if let Some(doubt) = self.after.doubts.get(&(ask.remote, ask.local)) {
            return unknown(doubt);
        }
        let standing = heard.standing(was_open, self.forwards);
        if standing != Standing::Open {
            return standing;
        }
        match self.limits.doubt(ask.probe.side, &heard.flow) {
            Some(limit) => unknown(words(limit)),
            None => standing,
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
        let mut lines = Vec::new();
        if self.rehearsal.you.is_none() {
            lines
                .push("no login over the network was found; name one with --as ADDRESS".to_owned());
        }
        lines.extend(self.rehearsal.host.left_out.iter().cloned());
        lines.extend(self.rehearsal.plan.left_out.iter().cloned());
        lines.extend(self.after.limits.iter().cloned());
        lines.extend(self.limits.list.iter().map(words));
        let mut seen = BTreeSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        lines
    }
}

/// Whether all of `standings` are open; `None` where that is not known.
fn met(standings: &[(IpAddr, Standing)]) -> Option<bool> {
    let closed = |standing: &Standing| {
        matches!(
            standing,
            Standing::Blocked { .. } | Standing::Rejected { .. }
        )
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
        matches!(
            standing,
            Standing::Blocked { .. } | Standing::Rejected { .. }
        )
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
fn remedy(
    login: &Standing,
    old: &Standing,
    ask: &Ask,
    sources: &Sources,
    kinds: &[Kind],
) -> Option<Remedy> {
    let decision = |standing: &Standing| match standing {
        Standing::Rejected { by } | Standing::Blocked { by } => by.clone(),
        Standing::Open | Standing::NotRehearsed { .. } => None,
    };
    let decision = decision(login).or_else(|| decision(old))?;
    let old_died = matches!(old, Standing::Blocked { .. } | Standing::Rejected { .. });
    source::remedy(&decision, Some(&flow(ask)), old_died, sources, kinds)
}

/// The first packet that `ask` sends, with a port that a new connection may have.
fn flow(ask: &Ask) -> Flow {
    let mut source = ask.probe.source;
    if source.port() == 0 && ask.probe.protocol != Protocol::Icmp {
        source.set_port(EPHEMERAL_PORT);
    }
    Flow {
        protocol: ask.probe.protocol,
        source,
        destination: ask.probe.destination,
    }
}

fn words(limit: &Limit) -> String {
    match (&limit.file, limit.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: {}", limit.message),
        (Some(_) | None, _) => limit.message.clone(),
    }
}

fn unknown(reason: impl Into<String>) -> Standing {
    Standing::NotRehearsed {
        reason: reason.into(),
    }
}
