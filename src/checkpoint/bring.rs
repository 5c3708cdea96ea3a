//! Bringing a namespace to a snapshot: the one mechanism behind apply and rollback.
//!
//! Order: sets that rules may name, all nf_tables tables in one batch, legacy
//! tables one by one (each is replaced atomically), sets that no rule names any more.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::insist::insist;
use super::{EXPIRY_MARGIN, Error, Part, Snapshot, translated};
use crate::exec::LIVE_DEADLINE;
use crate::ipset::{self, Sets};
use crate::legacy::{Family, Lock, Tables};
use crate::nftables::{self, Compare, Ruleset, Table, TableId};
use crate::transaction::clock;

/// How long an apply keeps trying while others commit in between.
const CONTENTION_MAX: Duration = Duration::from_secs(20);
/// How long an apply waits for the legacy lock.
const LOCK_WAIT_APPLY: Duration = Duration::from_secs(10);
/// How long a rollback waits for the legacy lock before it goes past it.
pub const LOCK_WAIT_ROLLBACK: Duration = Duration::from_secs(2);

/// Which way, and with it what to do about errors.
#[derive(Debug)]
pub enum Direction<'a> {
    /// Towards the candidate: the first error ends it. Carries the checkpoint
    /// that the candidate was compiled from.
    Apply {
        /// What is live, if nobody interfered.
        checkpoint: &'a Snapshot,
    },
    /// Back: errors are collected, the rest goes on.
    Rollback {
        /// How to deal with the legacy lock.
        lock: &'a Lock,
    },
}

/// One thing that went wrong on the way.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A backend's error.
    #[error(transparent)]
    Backend(#[from] Error),
    /// Others changed what the candidate was compiled from.
    #[error(
        "others changed the rules while the new ones were being prepared ({0}); nothing of the candidate was applied to them, run it again"
    )]
    Overtaken(String),
}

/// Brings `parts` of the calling thread's namespace to what `target` holds.
///
/// # Errors
/// All that went wrong; in the direction of a rollback the rest was done all the same.
pub fn bring(
    target: &Snapshot,
    parts: &[Part],
    direction: &Direction<'_>,
) -> Result<(), Vec<Failure>> {
    let mut run = Bringing {
        target,
        direction,
        failures: Vec::new(),
    };
    let sets: Vec<String> = select(parts, |part| match part {
        Part::Set(name) => Some(name.clone()),
        Part::Nft(_) | Part::Legacy(..) => None,
    });
    let tables: Vec<TableId> = select(parts, |part| match part {
        Part::Nft(id) => Some(id.clone()),
        Part::Set(_) | Part::Legacy(..) => None,
    });
    let legacy = select(parts, |part| match part {
        Part::Legacy(family, table) => Some((*family, table.clone())),
        Part::Nft(_) | Part::Set(_) => None,
    });
    let live_sets = if sets.is_empty() {
        Sets::default()
    } else {
        run.note(Sets::capture().map_err(Error::from))
            .unwrap_or_default()
    };
    run.look_for_others(&live_sets, &sets, &legacy);
    let prepared = if run.goes_on() && !sets.is_empty() {
        let result = Sets::prepare(&live_sets, &target.sets, &sets);
        run.note(result.map_err(Error::from))
    } else {
        None
    };
    let temporary = prepared
        .as_ref()
        .map(|prepared| prepared.temporary().clone())
        .unwrap_or_default();
    run.rules(&tables, &legacy, &temporary);
    if let Some(prepared) = prepared.filter(|_| !temporary.is_empty() && run.goes_on()) {
        // Sets whose type changed: no rule holds the old ones now.
        run.note(prepared.finish().map_err(Error::from));
        run.rules(&tables, &legacy, &BTreeMap::new());
    }
    if run.goes_on() && !sets.is_empty() {
        for error in Sets::settle(&live_sets, &target.sets, &sets) {
            run.note(Err::<(), _>(Error::from(error)));
        }
    }
    if run.failures.is_empty() {
        Ok(())
    } else {
        Err(run.failures)
    }
}

fn select<T>(parts: &[Part], pick: impl Fn(&Part) -> Option<T>) -> Vec<T> {
    parts.iter().filter_map(pick).collect()
}

struct Bringing<'a> {
    target: &'a Snapshot,
    direction: &'a Direction<'a>,
    failures: Vec<Failure>,
}

impl Bringing<'_> {
    fn goes_on(&self) -> bool {
        self.failures.is_empty() || matches!(self.direction, Direction::Rollback { .. })
    }

    /// Legacy tables and sets carry no generation: look once more before an apply.
    fn look_for_others(&mut self, live: &Sets, sets: &[String], legacy: &[(Family, String)]) {
        let Direction::Apply { checkpoint } = self.direction else {
            return;
        };
        let mut overtaken: Vec<String> = Vec::new();
        if !legacy.is_empty()
            && let Some(now) = self.note(Tables::capture().map_err(Error::from))
        {
            let changed = checkpoint.legacy.differing(&now, false).into_iter();
            overtaken.extend(
                changed
                    .filter(|part| legacy.contains(part))
                    .map(|(family, table)| format!("{family} table {table}")),
            );
        }
        let elapsed =
            Duration::from_millis(clock::boottime_ms().saturating_sub(checkpoint.taken_ms));
        let comparison = ipset::Comparison {
            counters: false,
            elapsed: elapsed + EXPIRY_MARGIN,
        };
        if !sets.is_empty() {
            let changed = checkpoint.sets.differing(live, comparison).into_iter();
            overtaken.extend(changed.filter(|name| sets.contains(name)));
        }
        if !overtaken.is_empty() {
            self.failures.push(Failure::Overtaken(overtaken.join(", ")));
        }
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result
            .map_err(|error| self.failures.push(error.into()))
            .ok()
    }

    /// All rules; those that name a set in `temporary` move to its stand-in.
    fn rules(
        &mut self,
        tables: &[TableId],
        legacy: &[(Family, String)],
        temporary: &BTreeMap<String, String>,
    ) {
        let mut tables = tables.to_vec();
        tables.extend(self.tables_naming(temporary));
        tables.sort();
        tables.dedup();
        let mut legacy = legacy.to_vec();
        legacy.extend(self.target.legacy.naming_sets(temporary));
        legacy.sort();
        legacy.dedup();
        if self.goes_on() && !tables.is_empty() {
            self.nf_tables(&tables, temporary);
        }
        if self.goes_on() && !legacy.is_empty() {
            let lock = match self.direction {
                Direction::Apply { .. } => &Lock::wait(LOCK_WAIT_APPLY).deadline(LIVE_DEADLINE),
                Direction::Rollback { lock } => lock,
            };
            let renamed = self.target.legacy.with_set_names(temporary);
            for error in renamed.restore(&legacy, lock) {
                self.note(Err::<(), _>(Error::from(error)));
            }
        }
    }

    /// The tables of the target with a rule that names one of `sets`.
    fn tables_naming(&self, sets: &BTreeMap<String, String>) -> Vec<TableId> {
        let indexes = &self.target.sets.indexes;
        let wanted: Vec<u16> = sets
            .keys()
            .filter_map(|name| indexes.get(name))
            .copied()
            .collect();
        let naming = |table: &&Table| {
            let alone = Ruleset {
                tables: vec![(*table).clone()],
                ..Ruleset::default()
            };
            alone
                .set_indexes()
                .iter()
                .any(|index| wanted.contains(index))
        };
        if wanted.is_empty() {
            return Vec::new();
        }
        let tables = self.target.nft.tables.iter().filter(naming);
        tables.map(|table| table.id.clone()).collect()
    }

    /// `temporary`: sets that for now are to be found under another name.
    fn nf_tables(&mut self, tables: &[TableId], temporary: &BTreeMap<String, String>) {
        let Some(mut indexes) = self.note(ipset::indexes().map_err(Error::from)) else {
            return;
        };
        for (name, stand_in) in temporary {
            if let Some(index) = indexes.get(stand_in).copied() {
                indexes.insert(name.clone(), index);
            }
        }
        let target = translated(&self.target.nft, &self.target.sets.indexes, &indexes);
        match self.direction {
            Direction::Apply { checkpoint } => {
                let live = &checkpoint.nft;
                let live = translated(live, &checkpoint.sets.indexes, &indexes).into_owned();
                self.unless_overtaken(live, &target, tables);
            }
            Direction::Rollback { .. } => {
                self.note(insist(&target, tables).map_err(Error::from));
            }
        }
    }

    /// From `live` on, as long as others change nothing in `tables`.
    fn unless_overtaken(&mut self, mut live: Ruleset, target: &Ruleset, tables: &[TableId]) {
        let until = Instant::now() + CONTENTION_MAX;
        let mut pause = Duration::from_millis(1);
        loop {
            match nftables::bring(&live, target, tables) {
                Ok(()) => return,
                Err(nftables::Error::Concurrent) if Instant::now() < until => {}
                Err(error) => {
                    self.note(Err::<(), _>(Error::from(error)));
                    return;
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
            let Some(now) = self.note(Ruleset::capture().map_err(Error::from)) else {
                return;
            };
            let overtaken: Vec<String> = live
                .differing(&now, Compare::Live)
                .into_iter()
                .filter(|id| tables.contains(id))
                .map(|id| id.to_string())
                .collect();
            if !overtaken.is_empty() {
                self.failures.push(Failure::Overtaken(overtaken.join(", ")));
                return;
            }
            live = now;
        }
    }
}
