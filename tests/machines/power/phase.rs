//! The phases of a change, as seen from the keyboard, and how long they take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::story::Line;

/// In the order in which they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The client copies the rules and starts the guardian.
    Begin,
    /// Checkpoint, proof, rehearsal.
    Prepare,
    /// The way back is armed.
    Arm,
    /// The new rules are on their way to the kernel.
    Apply,
    /// The countdown.
    Wait,
    /// Confirmation and commit, or rollback.
    Settle,
    /// It is settled; rules are persisted.
    Finish,
    /// It is over.
    Afterwards,
}

pub const PHASES: [Phase; 8] = [
    Phase::Begin,
    Phase::Prepare,
    Phase::Arm,
    Phase::Apply,
    Phase::Wait,
    Phase::Settle,
    Phase::Finish,
    Phase::Afterwards,
];

/// Where nothing has been measured yet.
const GUESS: Duration = Duration::from_millis(500);

impl Phase {
    /// The phase that a line begins.
    pub fn begun_by(line: &Line) -> Option<Self> {
        match line {
            Line::Told(words) => match words.first()?.as_str() {
                "started" => Some(Self::Begin),
                "answering" => Some(Self::Settle),
                "ended" => Some(Self::Afterwards),
                _ => None,
            },
            Line::Event(event) => match event["event"].as_str()? {
                "prepared" => Some(Self::Prepare),
                "armed" => Some(Self::Arm),
                "applying" => Some(Self::Apply),
                "live" => Some(Self::Wait),
                "rolling_back" => Some(Self::Settle),
                "committed" | "rolled_back" => Some(Self::Finish),
                _ => None,
            },
            Line::Other(_) => None,
        }
    }
}

/// How long the phases took when last seen.
#[derive(Debug, Default)]
pub struct Lengths {
    known: BTreeMap<Phase, Duration>,
    current: Option<(Phase, Instant)>,
}

impl Lengths {
    /// A phase begins, and the one before it ends.
    pub fn begins(&mut self, phase: Phase) {
        let now = Instant::now();
        if let Some((before, since)) = self.current
            && before < phase
        {
            self.known.insert(before, now - since);
        }
        if self.current.is_none_or(|(current, _)| current < phase) {
            self.current = Some((phase, now));
        }
    }

    /// Nothing is going on any more.
    pub fn cut(&mut self) {
        self.current = None;
    }

    /// How long a phase takes, as far as known.
    pub fn of(&self, phase: Phase) -> Duration {
        self.known.get(&phase).copied().unwrap_or(GUESS)
    }
}
