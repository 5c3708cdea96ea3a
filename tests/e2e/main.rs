//! The promises of the README, shown on a server with a real sshd and real ssh logins.
//!
//! Needs root and the Debian packages iptables, nftables, ipset, iproute2, openssh-server,
//! openssh-client, sudo, tmux and util-linux. A tool that is missing is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod apply;
mod boot;
mod boot_confirmed;
mod boot_state;
mod command;
mod confirm;
mod corpus;
mod crash;
mod crash_states;
mod deadline;
mod drift;
mod faults;
mod flood;
#[path = "../frozen_disk/mod.rs"]
mod frozen_disk;
mod lab;
mod login_notice;
mod refuse;
mod rehearsal;
mod rules;
mod selftest;
mod verbs;
