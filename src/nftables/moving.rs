//! Elements that come and go by themselves: time runs out, packets fill sets.

use std::collections::HashSet;
use std::time::Duration;

use super::expressions;
use super::kernel::{element, set};
use super::model::{Ruleset, Set, Table};
use crate::netlink::find;

/// Length of an attribute's header, and what attributes are padded to, in bytes.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// `NFTA_DATA_VALUE`.
const DATA_VALUE: u16 = 1;

/// Names of the sets that packets fill: made for it (`NFT_SET_EVAL`), or named by
/// a rule that adds to them.
pub fn filled_by_packets(table: &Table) -> HashSet<&[u8]> {
    let made_for_it = table.sets.iter().filter(|one| one.flags() & set::EVAL != 0);
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    let filled: Vec<_> = rules
        .flat_map(expressions::of_rule)
        .filter(|one| one.name == b"dynset")
        .flat_map(|one| {
            let attributes = one.attributes();
            attributes
                .filter_map(|attribute| expressions::set_reference(one.name, &attribute))
                .collect::<Vec<_>>()
        })
        .collect();
    made_for_it
        .map(|one| one.name.as_bytes())
        .chain(filled)
        .collect()
}

/// The time an element has left; none where it has no limit.
pub fn time_left(payload: &[u8]) -> Option<Duration> {
    let left = find(payload, element::EXPIRATION)?.be64()?;
    Some(Duration::from_millis(left))
}

/// Whether an element is the end of an interval: that has no time of its own.
pub fn ends_interval(payload: &[u8]) -> bool {
    find(payload, element::FLAGS)
        .and_then(|flags| flags.be32())
        .is_some_and(|flags| flags & element::INTERVAL_END != 0)
}

/// Whether the elements of `one` may change without anybody's doing.
pub fn has_time_limits(one: &Set) -> bool {
    one.flags() & set::TIMEOUT != 0
}

impl Ruleset {
    /// Makes sets whose elements move by themselves such that the kernel takes them back:
    /// a dump is no instant's picture of them. Of one that is full it can hold more
    /// elements than fit; of an interval whose time is up, the end without the start.
    pub fn settle_moving_sets(&mut self) {
        for one in self.tables.iter_mut().flat_map(|table| &mut table.sets) {
            if one.flags() & set::EVAL != 0 {
                limit(one);
            }
            let kinds = set::INTERVAL | set::TIMEOUT | set::CONCAT;
            if one.flags() & kinds == set::INTERVAL | set::TIMEOUT {
                drop_lone_ends(one);
            }
        }
    }
}

fn limit(one: &mut Set) {
    let limit = find(&one.attributes, set::DESC)
        .and_then(|desc| find(desc.payload, set::DESC_SIZE)?.be32())
        .and_then(|size| usize::try_from(size).ok());
    if let Some(limit) = limit {
        let bytes = one.elements().take(limit).map(length).sum();
        one.elements.truncate(bytes);
    }
}

/// In a dump, from the highest down, the end of an interval is followed by its start.
fn drop_lone_ends(one: &mut Set) {
    let elements: Vec<&[u8]> = one.elements().collect();
    let mut kept = Vec::with_capacity(one.elements.len());
    let mut at = 0;
    for (index, payload) in elements.iter().enumerate() {
        let bytes = at..at + length(payload);
        at = bytes.end;
        let followed = elements
            .get(index + 1)
            .is_some_and(|next| !ends_interval(next));
        // At the very bottom there is an end without a start, for what lies below the first.
        if !ends_interval(payload) || followed || is_lowest(payload) {
            kept.extend_from_slice(one.elements.get(bytes).unwrap_or_default());
        }
    }
    one.elements = kept;
}

fn is_lowest(payload: &[u8]) -> bool {
    find(payload, element::KEY)
        .and_then(|key| find(key.payload, DATA_VALUE))
        .is_some_and(|value| value.payload.iter().all(|byte| *byte == 0))
}

/// What an element takes in a list of them, in bytes.
fn length(payload: &[u8]) -> usize {
    (ATTRIBUTE_HEADER_BYTES + payload.len()).next_multiple_of(ATTRIBUTE_HEADER_BYTES)
}
