//! Elements that come and go by themselves: time runs out, packets fill sets.

use std::collections::HashSet;
use std::time::Duration;

use super::expressions;
use super::kernel::{element, set};
use super::model::{Ruleset, Set, Table};
use crate::netlink::{Attributes, find};

/// Length of an attribute's header, and what attributes are padded to, in bytes.
const ATTRIBUTE_HEADER_BYTES: usize = 4;

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
    /// Cuts sets that packets fill to the size that they may have. A dump is no
    /// instant's picture of such a set: of one that is full it can hold more
    /// elements than the kernel takes back.
    pub fn limit_filled_sets(&mut self) {
        for one in self.tables.iter_mut().flat_map(|table| &mut table.sets) {
            let limit = find(&one.attributes, set::DESC)
                .and_then(|desc| find(desc.payload, set::DESC_SIZE)?.be32())
                .and_then(|size| usize::try_from(size).ok());
            if let Some(limit) = limit.filter(|_| one.flags() & set::EVAL != 0) {
                let bytes = Attributes::new(&one.elements)
                    .take(limit)
                    .map(|element| {
                        let payload = element.payload.len();
                        (ATTRIBUTE_HEADER_BYTES + payload).next_multiple_of(ATTRIBUTE_HEADER_BYTES)
                    })
                    .sum();
                one.elements.truncate(bytes);
            }
        }
    }
}
