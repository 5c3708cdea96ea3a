//! What a rehearsal costs: `check` next to loading the rules.

use std::net::TcpListener;

use anyhow::{Context, Result};
use safe_apply::exec::Run;

use super::{Task, compare, iptables_text, tool};

/// Ports that the host listens on.
const LISTENERS: u16 = 20;
const FIRST_PORT: u16 = 9000;
/// The host, and the administrator on the same network.
const HOST: &str = "198.51.100.2/24";
const ADMINISTRATOR: &str = "198.51.100.7";
const GATEWAY: &str = "198.51.100.1";

/// `check` of a change of one rule, on a host that listens on 20 ports.
pub fn rehearsal(rules: usize, runs: usize) -> Result<()> {
    let (text, changed) = (iptables_text(rules, "ACCEPT"), iptables_text(rules, "DROP"));
    let directory = tempfile::tempdir()?;
    let candidate = directory.path().join("candidate.v4");
    std::fs::write(&candidate, &changed)?;
    let candidate = candidate.to_str().context("the path is not UTF-8")?;
    super::scratch(|| {
        wire()?;
        let _listeners = (0..LISTENERS)
            .map(|number| TcpListener::bind(("::", FIRST_PORT + number)))
            .collect::<std::io::Result<Vec<TcpListener>>>()?;
        tool("iptables-nft-restore", &[], &text)?;
        let nothing = || Ok(());
        let check = || {
            Run::path(env!("CARGO_BIN_EXE_safe-apply"))
                .args(["check", "--json", "--backend", "nft"])
                .args(["--as", ADMINISTRATOR, candidate])
                .env("SAFE_APPLY_CONFIG", directory.path().join("none"))
                .success()?;
            Ok(())
        };
        let load = || super::scratch(|| tool("iptables-nft-restore", &[], &changed));
        compare(
            rules,
            runs,
            "check, 20 ports open",
            &Task::new(nothing, check),
            "iptables-nft-restore",
            &Task::new(nothing, load),
        )
    })
}

/// An interface with an address and a default route; nobody is at its other end.
fn wire() -> Result<()> {
    let ip = |args: &[&str]| tool("ip", args, "");
    ip(&["link", "set", "lo", "up"])?;
    ip(&[
        "link", "add", "eth0", "type", "veth", "peer", "name", "wan0",
    ])?;
    for device in ["eth0", "wan0"] {
        ip(&["link", "set", device, "up"])?;
    }
    ip(&["address", "add", HOST, "dev", "eth0"])?;
    ip(&["route", "add", "default", "via", GATEWAY])
}
