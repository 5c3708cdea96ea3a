//! Which rule stopped a packet: real packets through real rules, in namespaces of the tests' own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod flows;
mod lab;
mod legacy;
mod rules;
mod tracing;
