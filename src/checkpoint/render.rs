//! A snapshot as text: loaded into a scratch network namespace and printed by the tools.

use std::path::Path;

use anyhow::{Result, bail};

use super::{Proof, Snapshot, prove};
use crate::exec::Run;

/// The listings that together show everything, each with the tool that prints it.
const LISTINGS: [(&str, &[&str]); 4] = [
    ("ipset", &["save"]),
    ("nft", &["-s", "list", "ruleset"]),
    ("iptables-legacy-save", &[]),
    ("ip6tables-legacy-save", &[]),
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
    let mut text = String::new();
    for (tool, args) in LISTINGS {
        let Ok(run) = Run::tool(tool) else { continue };
        let printed = namespace.enter(|| run.args(args).success())??;
        for line in String::from_utf8_lossy(&printed).lines() {
            // The save tools print the time in comments.
            if !line.starts_with('#') {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(text)
}
