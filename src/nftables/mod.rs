//! nf_tables over netlink: capture the rules of a network namespace exactly,
//! compare captures, bring a namespace to a captured state in one atomic batch.
//!
//! Everything works in the calling thread's network namespace.

pub(crate) mod batch;
mod bring;
mod canonical;
mod capture;
mod compare;
mod compat;
mod counts;
mod describe;
mod diff;
mod elements;
mod error;
pub(crate) mod expressions;
mod force;
mod keep;
pub(crate) mod kernel;
mod model;
mod moving;
mod parse;
mod path;
mod plan;
mod plan_elements;
mod plan_rules;
mod reader;
mod rewrite;
mod set_index;
mod settle;
mod shield;
mod wire;

pub use bring::{Level, bring, bring_at, bring_unchecked};
pub use capture::Look;
pub use compare::Compare;
pub use error::Error;
pub use force::force;
pub use model::{Chain, Flowtable, Object, Rule, Ruleset, Set, Table, TableId};
pub use shield::is_stand_in;
