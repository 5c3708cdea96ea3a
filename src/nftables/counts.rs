//! Counters and consumed quotas.

use super::expressions::Expression;
use super::kernel::expression;
use crate::netlink::find;

/// What one expression has counted.
pub fn counted(one: &Expression<'_>) -> Vec<u64> {
    let kinds: &[u16] = match one.name {
        b"counter" => &[expression::COUNTER_BYTES, expression::COUNTER_PACKETS],
        b"quota" => &[expression::QUOTA_CONSUMED],
        _ => &[],
    };
    let count = |kind: &u16| find(one.data, *kind).and_then(|value| value.be64());
    kinds.iter().map(|kind| count(kind).unwrap_or(0)).collect()
}

/// What a chain's policy has counted (content of `NFTA_CHAIN_COUNTERS`, a counter's attributes).
pub fn policy_count(counters: &[u8]) -> Vec<u64> {
    counted(&Expression {
        name: b"counter",
        data: counters,
        has_data: true,
    })
}

/// Whether `live` has counted less than `target` anywhere.
pub fn behind(live: &[u64], target: &[u64]) -> bool {
    live.iter().zip(target).any(|(live, target)| live < target)
}
