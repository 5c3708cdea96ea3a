//! How one probe stands under one ruleset, from what was seen and what cannot be seen.

use super::super::Flow;
use super::super::limits::{Limit, Limits};
use super::super::plan::Ask;
use super::super::probe::Outcome;
use super::super::rehearse::Seen;
use super::super::report::{Decision, Standing};

/// What is said of packets that are handed to a program.
const PROGRAM: &str =
    "a rule hands it to a program (queue, NFQUEUE), which is not in the rehearsal";

/// What became of one probe, and why.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What its sender saw.
    pub outcome: Outcome,
    /// How it was sent.
    pub flow: Flow,
    /// The rule that stopped it.
    pub decision: Option<Decision>,
    /// Whether a packet of it was handed to a program, which is not there.
    pub queued: bool,
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

/// What was seen under one ruleset, and what of it cannot be trusted.
pub(super) struct Under<'a> {
    pub(super) seen: &'a Seen,
    pub(super) limits: Limits,
    /// Whether these rules send packets on to other hosts.
    pub(super) forwards: bool,
    /// Whether a program on this host waits for packets that rules hand to it.
    pub(super) programs: bool,
}

impl Under<'_> {
    /// How an ask stands. What looks open is not called open where the rehearsal cannot know.
    pub(super) fn stand(&self, ask: &Ask, heard: &Heard, was_open: bool) -> Standing {
        if let Some(doubt) = self.seen.doubts.get(&(ask.remote, ask.local)) {
            return unknown(doubt);
        }
        let (side, flow) = (ask.probe.side, &heard.flow);
        // Where nobody waits on the host either, what happens here happens there: it is dropped.
        if heard.queued && (self.programs || heard.outcome == Outcome::Answered) {
            let limit = self.limits.doubt(side, flow);
            return unknown(limit.map_or_else(|| PROGRAM.to_owned(), words));
        }
        let standing = heard.standing(was_open, self.forwards);
        if standing != Standing::Open {
            return standing;
        }
        let hardware = || {
            let is_false = self.seen.false_macs.contains(&ask.remote);
            is_false.then(|| self.limits.hardware(side, flow)).flatten()
        };
        match self.limits.doubt(side, flow).or_else(hardware) {
            Some(limit) => unknown(words(limit)),
            None => standing,
        }
    }
}

pub(super) fn words(limit: &Limit) -> String {
    match (&limit.file, limit.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: {}", limit.message),
        (Some(_) | None, _) => limit.message.clone(),
    }
}

pub(super) fn unknown(reason: impl Into<String>) -> Standing {
    Standing::NotRehearsed {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::decide::Spot;
    use super::super::super::probe::{Probe, Side};
    use super::super::super::report::{Direction, Peer};
    use super::*;
    use crate::checkpoint::Part;
    use crate::legacy::Family;
    use crate::rehearsal::Protocol;

    fn ask() -> Ask {
        let probe = Probe {
            protocol: Protocol::Tcp,
            side: Side::World,
            source: "192.0.2.1:5".parse().unwrap(),
            destination: "192.0.2.2:22".parse().unwrap(),
            device: None,
            uid: 0,
        };
        Ask {
            direction: Direction::In,
            peer: Peer::You,
            what: None,
            local: probe.destination.ip(),
            remote: probe.source.ip(),
            probe,
        }
    }

    fn heard(outcome: Outcome) -> Heard {
        let spot = Spot {
            part: Part::Legacy(Family::V4, "filter".to_owned()),
            chain: "INPUT".to_owned(),
            rule: Some(1),
            reply: false,
        };
        let probe = ask().probe;
        Heard {
            decision: (outcome != Outcome::Answered).then(|| Decision {
                spot,
                text: "-A INPUT -j NFQUEUE".to_owned(),
                file: None,
                line: None,
            }),
            outcome,
            flow: Flow {
                protocol: probe.protocol,
                source: probe.source,
                destination: probe.destination,
            },
            queued: true,
            unruled: None,
        }
    }

    #[test]
    fn what_a_program_decides_is_not_rehearsed() {
        let stand = |programs, heard: &Heard| {
            let under = Under {
                seen: &Seen::default(),
                limits: Limits::default(),
                forwards: false,
                programs,
            };
            under.stand(&ask(), heard, false)
        };
        let open = heard(Outcome::Answered);
        for programs in [false, true] {
            assert_eq!(stand(programs, &open), unknown(PROGRAM));
        }
        let own = Heard {
            queued: false,
            ..open
        };
        assert_eq!(stand(true, &own), Standing::Open);
        let silent = heard(Outcome::Silence);
        assert_eq!(stand(true, &silent), unknown(PROGRAM));
        let by = silent.decision.clone();
        assert_eq!(stand(false, &silent), Standing::Blocked { by });
    }
}
