//! Probes and the old session between two namespaces, under real nft rules.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, not only tests

#[path = "rehearsal_probe/answers.rs"]
mod answers;
#[path = "rehearsal_probe/lab.rs"]
mod lab;
#[path = "rehearsal_probe/session.rs"]
mod session;
#[path = "rehearsal_probe/verdicts.rs"]
mod verdicts;
#[path = "rehearsal_probe/witness.rs"]
mod witness;
