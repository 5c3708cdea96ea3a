//! Drift: what others changed while the transaction was open.

use super::{Part, Snapshot};
use crate::nftables::Compare;

/// What others changed in parts that the candidate had changed too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// The parts.
    pub parts: Vec<Part>,
    /// The changes, in lines for people.
    pub lines: Vec<String>,
}

/// The parts that the candidate touches. Where it is not known what the
/// candidate makes of the rules, everything that differs now counts as touched.
#[must_use]
pub fn touched(checkpoint: &Snapshot, applied: Option<&Snapshot>, live: &Snapshot) -> Vec<Part> {
    checkpoint.differing(applied.unwrap_or(live), Compare::Rules)
}

/// What is live in `touched`, compared with what was live just after the apply.
#[must_use]
pub fn drift(applied: &Snapshot, live: &Snapshot, touched: &[Part]) -> Drift {
    let parts: Vec<Part> = applied
        .differing(live, Compare::Live)
        .into_iter()
        .filter(|part| touched.contains(part))
        .collect();
    Drift {
        lines: applied.describe(live, &parts),
        parts,
    }
}
