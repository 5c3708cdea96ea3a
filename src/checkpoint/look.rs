//! What is live, as far as a rollback can see it while others keep changing things.

use super::insist::OVERTAKEN_MAX;
use super::{Drift, Error, Part, Snapshot, drift};
use crate::ipset::{self, Sets};
use crate::legacy::Tables;
use crate::nftables::{self, Compare, Ruleset, TableId};
use crate::transaction::clock;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What is live. Of tables that others kept changing it holds no one state.
    pub live: Snapshot,
    /// Why a backend could not be read; `live` has the checkpoint's version of it.
    pub unread: Vec<String>,
    unsettled: Vec<Part>,
}

impl Look {
    /// Reads all of nf_tables, tolerating commits of others, and those other backends that
    /// `wanted` names; all where it is not known what was touched. A backend that is not wanted
    /// is as in `checkpoint`, so that a rollback needs no tool that the change did not need.
    ///
    /// # Errors
    /// When nf_tables cannot be read.
    pub fn at_all(checkpoint: &Snapshot, wanted: Option<&[Part]>) -> Result<Self, Error> {
        Ok(Self::with(
            Ruleset::look(OVERTAKEN_MAX)?,
            checkpoint,
            wanted,
        ))
    }

    /// Reads `parts`: others' commits elsewhere cost no time. Of nf_tables, no other part is held.
    ///
    /// # Errors
    /// As for [`Look::at_all`].
    pub fn at(checkpoint: &Snapshot, parts: &[Part]) -> Result<Self, Error> {
        let tables: Vec<TableId> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Nft(id) => Some(id.clone()),
                Part::Legacy(..) | Part::Set(_) => None,
            })
            .collect();
        let look = Ruleset::look_at(&tables, OVERTAKEN_MAX)?;
        Ok(Self::with(look, checkpoint, Some(parts)))
    }

    fn with(look: nftables::Look, checkpoint: &Snapshot, wanted: Option<&[Part]>) -> Self {
        let wants = |kind: fn(&Part) -> bool| wanted.is_none_or(|parts| parts.iter().any(kind));
        let mut unread = Vec::new();
        let mut nft = look.ruleset;
        nft.settle_moving_sets();
        let legacy = if wants(|part| matches!(part, Part::Legacy(..))) {
            Tables::capture().unwrap_or_else(|error| {
                unread.push(format!("legacy tables cannot be read: {error}"));
                checkpoint.legacy.clone()
            })
        } else {
            checkpoint.legacy.clone()
        };
        let sets = if wants(|part| matches!(part, Part::Set(_))) {
            Sets::capture().unwrap_or_else(|error| {
                unread.push(format!("ipsets cannot be read: {error}"));
                unseen(&checkpoint.sets)
            })
        } else {
            unseen(&checkpoint.sets)
        };
        Self {
            live: Snapshot {
                nft,
                legacy,
                sets,
                taken_ms: clock::boottime_ms(),
            },
            unread,
            unsettled: look.unsettled.into_iter().map(Part::Nft).collect(),
        }
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

/// The sets of the checkpoint, under the indexes that they have now.
fn unseen(sets: &Sets) -> Sets {
    Sets {
        sets: sets.sets.clone(),
        indexes: ipset::indexes().unwrap_or_else(|_| sets.indexes.clone()),
    }
}
