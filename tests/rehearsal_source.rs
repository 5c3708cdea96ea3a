//! From rules in the kernel to lines of files, and lines that let a user in again; with the real
//! tools, in network namespaces of the test's own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // helpers are not seen as tests

#[path = "rehearsal_source/corpus.rs"]
mod corpus;
#[path = "rehearsal_source/cure.rs"]
mod cure;
#[path = "rehearsal_source/decisions.rs"]
mod decisions;
#[path = "rehearsal_source/kernel.rs"]
mod kernel;
#[path = "rehearsal_source/lab.rs"]
mod lab;
#[path = "rehearsal_source/locate.rs"]
mod locate;
#[path = "rehearsal_source/nasty.rs"]
mod nasty;
#[path = "rehearsal_source/old_session.rs"]
mod old_session;
#[path = "rehearsal_source/paste.rs"]
mod paste;
#[path = "rehearsal_source/property.rs"]
mod property;
#[path = "rehearsal_source/remedy.rs"]
mod remedy;
