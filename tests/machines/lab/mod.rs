//! Machines, and what a test does with them.

mod cgroup;
#[allow(dead_code)] // what only the tests in namespaces use
#[path = "../../e2e/lab/client.rs"]
mod client;
#[path = "../../e2e/lab/command.rs"]
mod command;
mod login;
mod machine;
pub mod own;
mod place;
mod product;
mod rootfs;
#[path = "../../e2e/lab/session.rs"]
mod session;
mod spec;
#[path = "../../e2e/lab/ssh.rs"]
mod ssh;
mod terminal;
mod transactions;

pub use cgroup::{Cgroup, unified};
pub use client::Client;
pub use command::{Output, comes_true, eventually, run};
pub use machine::Machine;
pub use own::sweep;
pub use place::{Place, SHARE};
pub use product::install_files;
pub use rootfs::layers;
pub use spec::{Spec, write_below};
pub use terminal::Terminal;

/// The machine's addresses.
pub const MACHINE: &str = "198.51.100.2";
pub const MACHINE_V6: &str = "2001:db8::2";
