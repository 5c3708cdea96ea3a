//! Whole Debian machines: systemd, logind, sshd, reboots.
//!
//! Each test boots a machine of its own under `systemd-nspawn` (about two seconds) from a cached
//! tree that `rootfs.sh` builds from Debian packages. What it writes goes to a throw-away layer. The
//! machine's only interface leads to a network namespace of the test, the user's host. When a
//! test ends, or is killed, the kernel removes all of it.
//!
//! A test in ten lines:
//!
//! ```ignore
//! #[test]
//! fn rules_survive_a_confirmed_reboot() {
//!     let mut machine = Spec::debian().packages(&["ufw"]).enable("nftables.service").boot();
//!     let rules = machine.share_file("good.v4", GOOD_V4);         // seen there as /lab/good.v4
//!     let mut client = machine.login("alice").start(&format!("sudo safe-apply --json {rules}"));
//!     client.wait("live");                                        // its events, as they come
//!     machine.login("root").run("safe-apply confirm").exits(0);   // over a new connection
//!     client.ends().with(0, "committed");
//!     machine.reboot();                                           // also: poweroff, kill, start
//!     machine.exec("iptables-save").exits(0).says("GOOD");        // as root on its console
//! }
//! ```
//!
//! `lab/` has the rest: files and units before the boot (`Spec`), terminals (`Login::terminal`),
//! waiting for a condition with a deadline (`Machine::eventually`, `eventually`). Needs root and the
//! Debian packages systemd-container, debootstrap, iproute2, openssh-client and util-linux.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod foreign;
mod guardian;
mod lab;
mod memory;
mod multiplexers;
mod neighbours;
mod package;
mod power;
mod reboots;
mod rules;
mod selftest;
mod sessions;
mod stock_kernel;
mod units;
mod upgrades;
mod vm;
