//! Commit confirmed for the firewall of a Linux host.
//!
//! The library behind the `safe-apply` binary; its parts are public so that the
//! tests and benchmarks can drive them, not as a stable interface.

pub mod accounts;
pub mod aside;
pub mod boot_state;
pub mod candidate;
pub mod checkpoint;
pub mod cli;
pub mod client;
pub mod config;
pub mod connection;
pub mod escape;
pub mod exec;
pub mod exit;
pub mod guardian;
pub mod guardian_unit;
pub mod ipset;
pub mod legacy;
pub mod login_notice;
pub mod managers;
pub mod netlink;
pub mod netns;
pub mod nftables;
pub mod paths;
pub mod persist;
pub mod protocol;
pub mod rehearsal;
pub mod system_log;
pub mod transaction;
pub mod verbs;
