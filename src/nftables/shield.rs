//! Copies of chains that go, in force while they are replaced.
//!
//! A packet passes chain after chain, and each looks for itself which generation of
//! rules is in force: one that passed a chain before the switch, when it did not stop it
//! yet, and reaches another after it, which does not stop it any more, is stopped by
//! neither. Where that may happen, and where a hook's chain is replaced under its own
//! name, a copy of the old chain in a table of its own stands in until no such packet is left.

use super::batch::Batch;
use super::bring::Level;
use super::error::Error;
use super::keep::Kept;
use super::kernel::table;
use super::model::{Chain, Table, TableId};
use super::path::{self, Place, Stop};
use super::plan;
use super::settle::{Settlement, following, wait_for_packets};
use crate::netlink::find;

/// `NFT_TABLE_F_DORMANT`: the table's chains are on no hook.
const DORMANT: u32 = 1;
/// Prefix of the copies' names.
const PREFIX: &str = "safe-apply-old-";

/// Whether `id` is the name of such a copy: one that is there while nothing is being
/// brought was left by a process that died over it.
#[must_use]
pub fn is_stand_in(id: &TableId) -> bool {
    id.name.starts_with(PREFIX)
}

/// Copies that are in force.
#[derive(Debug, Default)]
pub struct Shield {
    tables: Vec<TableId>,
}

impl Shield {
    /// Puts copies of those chains of `changes` (live table, target, level) into force
    /// that go, or that let pass what an earlier chain, of those tables or of `created`,
    /// is to stop; nothing happens where there are none, or the kernel takes no copy.
    ///
    /// `generation` is that of the capture, and afterwards that of this step.
    pub fn raise(
        changes: &[(&Table, &Table, Level)],
        created: &[&Table],
        generation: &mut Option<u32>,
    ) -> Result<Self, Error> {
        let anew = created.iter().flat_map(|target| Stop::all(None, target));
        let changed = changes
            .iter()
            .flat_map(|(live, target, _)| Stop::all(Some(live), target));
        let stops: Vec<_> = anew.chain(changed).collect();
        let copies: Vec<_> = changes
            .iter()
            .filter_map(|(live, target, level)| copy(live, target, *level, &stops))
            .collect();
        let shield = Self::put(&copies, *generation)?;
        if !shield.tables.is_empty() {
            *generation = following(*generation);
        }
        Ok(shield)
    }

    /// Puts copies of the chains of `targets` into force that may stop packets, while it is
    /// not known what is there: what the target stops is stopped, whatever comes between.
    pub fn raise_ahead(targets: &[&Table]) -> Result<Self, Error> {
        let copies: Vec<_> = targets
            .iter()
            .filter_map(|target| renamed(target, |one| path::is_stop(target, one)))
            .collect();
        Self::put(&copies, None)
    }

    fn put(copies: &[Table], generation: Option<u32>) -> Result<Self, Error> {
        if copies.is_empty() {
            return Ok(Self::default());
        }
        let mut batch = Batch::new(generation);
        for one in copies {
            // A process that died over it may have left one.
            plan::clear(&mut batch, &one.id);
            plan::create(&mut batch, one, &mut Settlement::default());
        }
        match batch.commit(|_| {}).map_err(|refusal| refusal.error) {
            Ok(()) => {}
            Err(Error::Refused { .. }) => return Ok(Self::default()),
            Err(other) => return Err(other),
        }
        wait_for_packets();
        let tables = copies.iter().map(|one| one.id.clone()).collect();
        Ok(Self { tables })
    }

    /// Whether `id` is one of the copies.
    pub fn holds(&self, id: &TableId) -> bool {
        self.tables.contains(id)
    }

    /// Takes the copies away, when no packet is left in the old rules.
    pub fn lower(self, later: &mut Settlement) {
        for id in self.tables {
            later.delete_named(id);
        }
    }
}

/// A copy of `live` with those of its base chains that are needed; nothing where none is.
fn copy(live: &Table, target: &Table, level: Level, stops: &[Stop<'_>]) -> Option<Table> {
    let all_go = plan::is_made_anew(live, target, level);
    let kept = Kept::find(live, target, level);
    let mixed = path::is_mixed(live, target);
    renamed(live, |one| {
        if all_go || !kept.has_chain(&one.name) {
            Place::of(live.id.family, one).is_some()
        } else {
            mixed && path::is_stop(live, one) || path::is_relieved(live, target, one, stops)
        }
    })
}

/// A copy of `table` under another name with those of its base chains that are
/// `needed`; nothing where none is.
fn renamed(table: &Table, needed: impl Fn(&Chain) -> bool) -> Option<Table> {
    let flags = find(&table.attributes, table::FLAGS).and_then(|flags| flags.be32());
    if flags.is_some_and(|flags| flags & DORMANT != 0) {
        return None;
    }
    let names: Vec<_> = table
        .named_chains()
        .filter(|one| needed(one))
        .map(|one| one.name.as_str())
        .collect();
    if names.is_empty() {
        return None;
    }
    let mut copy = table.clone();
    copy.id.name = format!("{PREFIX}{}", table.id.name);
    copy.chains
        .retain(|one| !one.is_base() || names.contains(&one.name.as_str()));
    Some(copy)
}
