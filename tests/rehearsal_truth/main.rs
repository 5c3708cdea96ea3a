//! Are the predictions of `check` true?
//!
//! For a pair of rules, those that are live and those that are to come, `check` is asked; then
//! the candidate is really loaded, with the tools that it is for, and real connections tell what
//! is open. Every prediction is compared; one wrong "open" is a failed test.
//!
//! Needs root, and what the end-to-end tests need. `SAFE_APPLY_TRUTH_CASES` is the number of
//! generated cases, `SAFE_APPLY_TRUTH_SEED` the number that they grow from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod case;
mod compare;
mod corpus;
mod generate;
mod lab;
mod liars;
mod many;
mod measure;
mod mistaken;
mod mistakes;
mod predict;
mod probe;
mod random;
mod serve;
mod session;
mod special;
mod specials;
mod ssh;
mod tally;
mod texts;
mod truth;
