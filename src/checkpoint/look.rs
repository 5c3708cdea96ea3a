//! What is live, as far as a rollback can see it while others keep changing things.

use super::insist::OVERTAKEN_MAX;
use super::{Drift, Error, Part, Snapshot, drift};
use crate::ipset::Sets;
use crate::legacy::Tables;
use crate::nftables::{self, Compare, Ruleset, TableId};
use crate::transaction::clock;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What is live. Of tables that others kept changing it holds no one state.
    pub live: Snapshot,
    unsettled: Vec<Part>,
}

impl Look {
    /// Reads all, tolerating commits of others.
    ///
    /// # Errors
    /// When a backend that holds rules cannot be read.
    pub fn at_all() -> Result<Self, Error> {
        Self::with(Ruleset::look(OVERTAKEN_MAX)?)
    }

    /// Reads `parts`: others' commits elsewhere cost no time. Of nf_tables, no other part is held.
    ///
    /// # Errors
    /// As for [`Look::at_all`].
    pub fn at(parts: &[Part]) -> Result<Self, Error> {
        let tables: Vec<TableId> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Nft(id) => Some(id.clone()),
                Part::Legacy(..) | Part::Set(_) => None,
            })
            .collect();
        Self::with(Ruleset::look_at(&tables, OVERTAKEN_MAX)?)
    }

    fn with(look: nftables::Look) -> Result<Self, Error> {
        let mut nft = look.ruleset;
        nft.settle_moving_sets();
        Ok(Self {
            live: Snapshot {
                nft,
                legacy: Tables::capture()?,
                sets: Sets::capture()?,
                taken_ms: clock::boottime_ms(),
            },
            unsettled: look.unsettled.into_iter().map(Part::Nft).collect(),
        })
    }

    /// Those of `touched` that differ from the checkpoint, or are not known to equal it.
    #[must_use]
    pub fn differing(&self, checkpoint: &Snapshot, touched: &[Part]) -> Vec<Part> {
        let mut parts = checkpoint.differing(&self.live, Compare::Live);
        parts.extend(self.unsettled.iter().cloned());
        parts.retain(|part| touched.contains(part));
        parts.sort();
        parts.dedup();
        parts
    }

    /// In lines for people: how `parts` differ from the checkpoint.
    #[must_use]
    pub fn describe(&self, checkpoint: &Snapshot, parts: &[Part]) -> Vec<String> {
        let mut lines = checkpoint.describe(&self.live, parts);
        lines.extend(self.unknown(parts));
        lines
    }

    /// What others changed in `touched` since the apply; says so where that is not to be seen.
    #[must_use]
    pub fn drift(&self, applied: &Snapshot, touched: &[Part]) -> Drift {
        let mut drift = drift(applied, &self.live, touched);
        for part in self.unsettled.iter().filter(|part| touched.contains(part)) {
            if !drift.parts.contains(part) {
                drift.parts.push(part.clone());
            }
        }
        drift.lines.extend(self.unknown(touched));
        drift
    }

    fn unknown(&self, parts: &[Part]) -> impl Iterator<Item = String> {
        let unsettled = self.unsettled.iter().filter(|part| parts.contains(part));
        unsettled.map(|part| {
            format!(
                "{part}: others change it all the time, so that not all of what it holds is known"
            )
        })
    }
}
