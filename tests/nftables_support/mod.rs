//! What the tests of nf_tables share.
#![allow(dead_code, reason = "no test file uses all of it")]

pub mod flood;

use std::io::Write;
use std::process::{Command, Stdio};

use safe_apply::netns::NetNs;
use safe_apply::nftables::{Ruleset, TableId};

/// Runs a tool with `input` on its standard input, in the thread's namespace.
pub fn tool(command: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Loads an nft script.
pub fn nft(script: &str) {
    tool(&["nft", "-f", "-"], script).unwrap();
}

/// What `nft list ruleset` prints.
pub fn listing() -> String {
    tool(&["nft", "list", "ruleset"], "").unwrap()
}

/// Runs `work` in a new network namespace.
pub fn in_scratch(work: impl FnOnce() + Send) {
    NetNs::scratch().unwrap().enter(work).unwrap();
}

/// The tables of a ruleset.
pub fn ids(ruleset: &Ruleset) -> Vec<TableId> {
    ruleset
        .tables
        .iter()
        .map(|table| table.id.clone())
        .collect()
}

/// The tables of either ruleset.
pub fn union(one: &Ruleset, two: &Ruleset) -> Vec<TableId> {
    let mut all = ids(one);
    all.extend(ids(two));
    all.sort();
    all.dedup();
    all
}

/// What the listing tools print, counters included.
pub fn texts() -> Vec<String> {
    let mut all = vec![listing()];
    for save in ["iptables-nft-save", "ip6tables-nft-save"] {
        let text = tool(&[save, "-c"], "").unwrap_or_default();
        // Dates, and the names of tables that the tool does not understand.
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        all.push(lines.collect::<Vec<_>>().join("\n"));
    }
    all
}
