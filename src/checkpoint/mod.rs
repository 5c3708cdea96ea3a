//! The checkpoint: everything a change may touch, and the way back to it.

mod bring;
mod drift;
mod file;
mod insist;
mod look;
mod neighbours;
mod prove;
mod render;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use bring::{Direction, Failure, LOCK_WAIT_ROLLBACK, bring};
pub use drift::{Drift, drift, touched};
pub use file::{FileError, load, save};
pub use look::Look;
pub use neighbours::{Taken, lost, neighbours, owner_of, taken};
pub use prove::{Proof, prove, scratch_for};
pub use render::render;

use crate::ipset::{self, Sets};
use crate::legacy::{self, Tables};
use crate::nftables::{self, Compare, Ruleset, TableId};
use crate::transaction::clock;

/// The kernel rounds the time that a member has left, and restoring takes a moment.
const EXPIRY_MARGIN: Duration = Duration::from_secs(5);

/// What a namespace holds: nf_tables, legacy xtables and ipsets. A table that
/// is not in it was absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// nf_tables, all families.
    pub nft: Ruleset,
    /// Legacy xtables, IPv4 and IPv6.
    pub legacy: Tables,
    /// ipsets.
    pub sets: Sets,
    /// When it was taken, in milliseconds of `CLOCK_BOOTTIME`.
    pub taken_ms: u64,
}

/// The smallest thing that is restored by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// An nf_tables table.
    Nft(TableId),
    /// A legacy table.
    Legacy(legacy::Family, String),
    /// An ipset.
    Set(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nft(id) => write!(f, "table {id}"),
            Self::Legacy(family, table) => write!(f, "{family} table {table}"),
            Self::Set(name) => write!(f, "ipset {name}"),
        }
    }
}

/// Why the kernel's state could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// nf_tables.
    #[error("nf_tables: {0}")]
    Nft(#[from] nftables::Error),
    /// Legacy xtables.
    #[error("legacy tables: {0}")]
    Legacy(#[from] legacy::Error),
    /// ipset.
    #[error("ipset: {0}")]
    Sets(#[from] crate::ipset::Error),
    /// A namespace could not be entered.
    #[error("the scratch network namespace failed: {0}")]
    Namespace(#[from] std::io::Error),
}

impl Snapshot {
    /// Reads what the calling thread's network namespace holds.
    ///
    /// # Errors
    /// When a backend that holds rules cannot be read.
    pub fn capture() -> Result<Self, Error> {
        let mut nft = Ruleset::capture()?;
        nft.settle_moving_sets();
        Ok(Self {
            nft,
            legacy: Tables::capture()?,
            sets: Sets::capture()?,
            taken_ms: clock::boottime_ms(),
        })
    }

    /// The parts in which `other` differs from this.
    #[must_use]
    pub fn differing(&self, other: &Self, how: Compare) -> Vec<Part> {
        let theirs = translated(&other.nft, &other.sets.indexes, &self.sets.indexes);
        let exact = how == Compare::Exact;
        let comparison = self.comparison(other, exact);
        let nft = self.nft.differing_after(&theirs, how, comparison.elapsed);
        let legacy = self.legacy.differing(&other.legacy, exact);
        let sets = self.sets.differing(&other.sets, comparison);
        nft.into_iter()
            .map(Part::Nft)
            .chain(
                legacy
                    .into_iter()
                    .map(|(family, table)| Part::Legacy(family, table)),
            )
            .chain(sets.into_iter().map(Part::Set))
            .collect()
    }

    /// In lines for people: how `other` differs from this in `parts`.
    #[must_use]
    pub fn describe(&self, other: &Self, parts: &[Part]) -> Vec<String> {
        let elapsed = self.comparison(other, false).elapsed;
        let theirs = translated(&other.nft, &other.sets.indexes, &self.sets.indexes);
        parts
            .iter()
            .flat_map(|part| match part {
                Part::Nft(id) => {
                    let at = format!("table {id}: ");
                    let how = Compare::Rules;
                    let lines = self
                        .nft
                        .describe_difference_after(&theirs, id, how, elapsed)
                        .into_iter();
                    lines
                        .map(|line| {
                            if line.starts_with(&at) {
                                line
                            } else {
                                format!("{at}{line}")
                            }
                        })
                        .collect()
                }
                Part::Legacy(family, table) => {
                    let name = format!("{family} table {table}");
                    let mut lines = self.legacy.describe_difference(&other.legacy, false);
                    lines.retain(|line| line.starts_with(&name));
                    lines
                }
                Part::Set(name) => {
                    let only = |sets: &Sets| Sets {
                        sets: sets.get(name).cloned().into_iter().collect(),
                        indexes: BTreeMap::new(),
                    };
                    let comparison = self.comparison(other, false);
                    only(&self.sets).describe_difference(&only(&other.sets), comparison)
                }
            })
            .collect()
    }

    /// Members of sets go on expiring between two looks.
    fn comparison(&self, later: &Self, counters: bool) -> ipset::Comparison {
        let elapsed = Duration::from_millis(later.taken_ms.saturating_sub(self.taken_ms));
        ipset::Comparison {
            counters,
            elapsed: elapsed + EXPIRY_MARGIN,
        }
    }

    /// Whether `part` exists in this.
    #[must_use]
    pub fn has(&self, part: &Part) -> bool {
        match part {
            Part::Nft(id) => self.nft.table(id).is_some(),
            Part::Legacy(family, table) => self
                .legacy
                .of(*family)
                .get(table)
                .is_some_and(|text| !legacy::is_pristine(text)),
            Part::Set(name) => self.sets.get(name).is_some(),
        }
    }

    /// The device names that a namespace must have to hold this.
    #[must_use]
    pub fn devices(&self) -> BTreeSet<String> {
        self.nft.device_names()
    }
}

/// `rules` as they read where sets have the indexes `to` instead of `from`.
///
/// A set that `to` does not know gets an index of its own, the same for the same
/// set of names, so that such a rule compares as different and never as equal.
#[must_use]
pub fn translated<'a>(
    rules: &'a Ruleset,
    from: &BTreeMap<String, u16>,
    to: &BTreeMap<String, u16>,
) -> Cow<'a, Ruleset> {
    let used = rules.set_indexes();
    if used.is_empty() || from == to {
        return Cow::Borrowed(rules);
    }
    let names: BTreeMap<u16, &String> = from.iter().map(|(name, index)| (*index, name)).collect();
    let taken: BTreeSet<u16> = to.values().copied().collect();
    let mut free = (0..u16::MAX).rev().filter(|index| !taken.contains(index));
    let map: BTreeMap<u16, u16> = used
        .into_iter()
        .filter_map(|index| {
            let known = names.get(&index).and_then(|name| to.get(*name)).copied();
            Some((index, known.or_else(|| free.next())?))
        })
        .collect();
    rules
        .with_set_indexes(&map)
        .map_or(Cow::Borrowed(rules), Cow::Owned)
}
