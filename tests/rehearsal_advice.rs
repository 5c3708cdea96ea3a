//! Advice about rules, and what a rehearsal of them cannot show.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

#[path = "rehearsal_advice/corpus.rs"]
mod corpus;
#[path = "rehearsal_advice/doubt.rs"]
mod doubt;
#[path = "rehearsal_advice/doubt_support.rs"]
mod doubt_support;
#[path = "rehearsal_advice/host.rs"]
mod host;
#[path = "rehearsal_advice/limits.rs"]
mod limits;
#[path = "rehearsal_advice/rules.rs"]
mod rules;
#[path = "rehearsal_advice/support.rs"]
mod support;
#[path = "rehearsal_advice/topics.rs"]
mod topics;
