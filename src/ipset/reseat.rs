//! Giving sets the indexes back that others have taken meanwhile.

use std::collections::BTreeMap;

use super::build::{Order, build_all};
use super::{Error, Set, Sets, indexes, wire};

/// Moves those of `sets` that are not at the index that `target` has for them,
/// as far as nothing refers to them or to what is there; `doomed` sets give way.
/// Rules are led by name, so a set that stays where it is does no harm: only
/// the order of `ipset save` depends on it.
pub(super) fn reseat(
    target: &Sets,
    sets: &[&Set],
    doomed: &[&String],
    members: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let existing = indexes()?;
    let misplaced: Vec<(&Set, u16)> = sets
        .iter()
        .filter_map(|set| {
            let (wanted, actual) = (target.indexes.get(&set.name)?, existing.get(&set.name)?);
            let moves = wanted != actual && !members.contains_key(&set.name);
            moves.then_some((*set, *wanted))
        })
        .collect();
    for (name, index) in &existing {
        if doomed.contains(&name) && misplaced.iter().any(|(_, wanted)| wanted == index) {
            // One that is in use stays, and the index with it.
            let _ = wire::destroy(name);
        }
    }
    let freed = misplaced
        .into_iter()
        .filter(|(set, _)| wire::destroy(&set.name).is_ok())
        .map(|(set, wanted)| Order {
            set,
            name: set.name.clone(),
            wanted: Some(wanted),
        });
    build_all(freed.collect(), members)
}
