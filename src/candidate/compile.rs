//! Compiling: the tools load the candidates over the checkpoint, in a scratch network
//! namespace; what they make of it is what goes live.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{Candidate, Kind, LoadOptions, Resolved, load_into_namespace};
use crate::checkpoint::Snapshot;
use crate::escape;
use crate::exec;
use crate::ipset::{self, Set, Sets};
use crate::netns::{self, NetNs};

/// How candidates are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// Where iptables rules go; `None` when no candidate is in that format.
    pub backend: Option<Resolved>,
    /// Add to the tables instead of replacing them.
    pub noflush: bool,
}

/// What the candidates make of the checkpoint, and warnings for the user. Runs in a
/// namespace that holds the checkpoint; `lock` is that namespace's own legacy lock file.
///
/// # Errors
/// The tool's message with file and line; the live rules are not concerned.
pub fn compile(
    candidates: &[Candidate],
    how: How,
    checkpoint: &Snapshot,
    lock: &Path,
) -> Result<(Snapshot, Vec<String>)> {
    let (named, warnings) = load(candidates, how, checkpoint, Some(lock))?;
    let mut compiled = Snapshot::capture()?;
    // Elements of sets that the candidate does not name go on expiring here as
    // they do on the live side; that is not the candidate's doing.
    for set in &mut compiled.sets.sets {
        if let Some(before) = checkpoint.sets.get(&set.name)
            && !named.contains(&set.name)
        {
            *set = before.clone();
        }
    }
    Ok((compiled, warnings))
}

/// Gives `namespace` the interfaces of the calling thread's network namespace that `candidates`
/// name: nft takes `iif eth0` only where there is an `eth0`, and makes its index there of it.
///
/// # Errors
/// What the kernel says; that such an interface cannot have the same index.
pub fn furnish(namespace: &NetNs, candidates: &[Candidate]) -> Result<()> {
    let scripts = candidates.iter().filter(|one| one.kind == Kind::Nft);
    let texts: Vec<String> = scripts
        .map(|one| String::from_utf8_lossy(&one.bytes).into_owned())
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    let mut wanted = netns::interfaces()?;
    // Other files are read by nft itself.
    let includes = texts.iter().any(|text| text.contains("include"));
    wanted.retain(|name, _| includes || texts.iter().any(|text| text.contains(name.as_str())));
    namespace.furnish(&wanted)?;
    let made = namespace.enter(netns::interfaces)??;
    for (name, index) in &wanted {
        if made.get(name).is_some_and(|other| other != index) {
            bail!("interface {name} cannot have its index {index} in a scratch network namespace");
        }
    }
    Ok(())
}

/// Runs the tools on the live side, where no scratch namespace can be had.
///
/// # Errors
/// The tool's message with file and line; the caller rolls back.
pub fn run_tools_live(
    candidates: &[Candidate],
    how: How,
    checkpoint: &Snapshot,
) -> Result<Vec<String>> {
    Ok(load(candidates, how, checkpoint, None)?.1)
}

/// Sets first, then the rules that may name them; `lock`: of the scratch namespace, `None`
/// on the live side. Returns the names of the sets and warnings.
fn load(
    candidates: &[Candidate],
    how: How,
    checkpoint: &Snapshot,
    lock: Option<&Path>,
) -> Result<(Vec<String>, Vec<String>)> {
    let mut target = checkpoint.sets.clone();
    let mut named = Vec::new();
    for candidate in candidates.iter().filter(|one| one.kind == Kind::Ipset) {
        let text = escape::to_text(&candidate.for_tool());
        let wanted = ipset::parse_save(&text).with_context(|| candidate.name.clone())?;
        for set in wanted.sets {
            named.push(set.name.clone());
            merge(&mut target, set, how.noflush);
        }
    }
    let live = Sets::capture()?;
    let prepared = Sets::prepare(&live, &target, &named).with_context(|| set_files(candidates))?;
    let options = LoadOptions {
        backend: how.backend,
        noflush: how.noflush,
        xtables_lock: lock.map(Path::to_owned),
        // Nothing waits for what happens in a scratch namespace: it is called off at any time.
        deadline: match lock {
            Some(_) => exec::DEFAULT_DEADLINE,
            None => exec::LIVE_DEADLINE,
        },
    };
    let warnings = load_into_namespace(candidates, &options)?;
    if !prepared.temporary().is_empty() {
        // A set of another type than before: the old one has to be free of rules by now.
        prepared.finish().with_context(|| set_files(candidates))?;
    }
    match Sets::settle(&live, &target, &named).into_iter().next() {
        None => Ok((named, warnings)),
        Some(error) => Err(error).with_context(|| set_files(candidates)),
    }
}

/// The file is the new content of the sets that it names; with `add`, it is added to them.
fn merge(target: &mut Sets, set: Set, add: bool) {
    match target.sets.iter_mut().find(|old| old.name == set.name) {
        Some(old) if add => {
            let element = |member: &str| member.split(' ').next().unwrap_or_default().to_owned();
            let new: Vec<String> = set.members.iter().map(|member| element(member)).collect();
            old.members.retain(|member| !new.contains(&element(member)));
            old.members.extend(set.members);
        }
        Some(old) => *old = set,
        None => target.sets.push(set),
    }
}

fn set_files(candidates: &[Candidate]) -> String {
    candidates
        .iter()
        .filter(|one| one.kind == Kind::Ipset)
        .map(|one| one.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
