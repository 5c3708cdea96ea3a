//! One change, from checkpoint to outcome: its ID, states, journal and directory.

pub mod clock;
mod directory;
pub mod durable;
mod event;
mod id;
pub mod journal;
pub mod machine;
mod meta;
pub mod sealed;
mod state;
pub mod store;

pub use id::Id;
pub use machine::{Effect, Event, Reason, State};
pub use store::{Meta, Store, Transaction};
