//! A snapshot as text: loaded into a scratch network namespace and printed by the tools.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use super::{Proof, Snapshot, prove};
use crate::exec::Run;
use crate::netns::NetNs;

/// iptables' own tools, with the nf_tables family whose tables they claim.
const SAVES: [(&str, Option<&str>); 4] = [
    ("iptables-nft-save", Some("ip")),
    ("ip6tables-nft-save", Some("ip6")),
    ("iptables-legacy-save", None),
    ("ip6tables-legacy-save", None),
];

/// What the tools print of `snapshot`; a tool that is not installed prints nothing.
///
/// # Errors
/// When no scratch namespace can be made or the snapshot does not load there.
pub fn render(snapshot: &Snapshot, lock: &Path) -> Result<String> {
    // A table that was made anew comes last in the kernel: that is no change to show.
    let mut sorted = snapshot.clone();
    sorted.nft.tables.sort_by(|one, two| one.id.cmp(&two.id));
    let namespace = match prove(&sorted, lock)? {
        Proof::Proven(namespace) => namespace,
        Proof::NoNamespace(error) => {
            bail!("no scratch network namespace can be made here ({error})")
        }
        Proof::Failed(differences) => bail!("{}", differences.join("; ")),
    };
    let mut text = print(&namespace, "ipset", &["save"])?;
    let mut claimed = BTreeSet::new();
    for (tool, family) in SAVES {
        let saved = print(&namespace, tool, &[])?;
        if let Some(family) = family {
            let tables = saved.lines().filter_map(|line| line.strip_prefix('*'));
            claimed.extend(tables.map(|table| format!("{family} {table}")));
        }
        text.push_str(&saved);
    }
    for table in &sorted.nft.tables {
        let id = table.id.to_string();
        if let Some((family, name)) = id.split_once(' ')
            && !claimed.contains(&id)
        {
            let args = ["-s", "list", "table", family, name];
            text.push_str(&print(&namespace, "nft", &args)?);
        }
    }
    Ok(text)
}

/// What `tool` prints in `namespace`, without times and packet counts.
fn print(namespace: &NetNs, tool: &str, args: &[&str]) -> Result<String> {
    let Ok(run) = Run::tool(tool) else {
        return Ok(String::new());
    };
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let printed = namespace.enter(|| run.args(args).success())??;
    let mut text = String::new();
    for line in String::from_utf8_lossy(&printed).lines() {
        // The save tools print the time in comments, and counts behind a chain's policy.
        let end = if line.starts_with(':') {
            line.find(" [").unwrap_or(line.len())
        } else {
            line.len()
        };
        if !line.starts_with('#') {
            text.push_str(&line[..end]);
            text.push('\n');
        }
    }
    Ok(text)
}
