//! Compiling the candidate: the tools load it over the checkpoint, in a scratch
//! network namespace; what they make of it is what goes live.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::candidate::{Candidate, Kind, LoadOptions, Resolved, load_into_namespace};
use crate::checkpoint::Snapshot;
use crate::cli::Backend;
use crate::escape;
use crate::exec;
use crate::ipset::{self, Set, Sets};
use crate::transaction::Transaction;
use crate::transaction::store::Work;

/// What the candidate makes of the checkpoint. Runs in a namespace that holds the checkpoint.
///
/// # Errors
/// The tool's message with file and line; the live rules are not concerned.
pub fn compile(
    transaction: &Transaction,
    work: &Work,
    checkpoint: &Snapshot,
    lock: &Path,
) -> Result<(Snapshot, Vec<String>)> {
    let (named, warnings) = load(transaction, work, checkpoint, Some(lock))?;
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

/// Runs the tools on the live side, where no scratch namespace can be had.
///
/// # Errors
/// The tool's message with file and line; the caller rolls back.
pub fn run_tools_live(
    transaction: &Transaction,
    work: &Work,
    checkpoint: &Snapshot,
) -> Result<Vec<String>> {
    Ok(load(transaction, work, checkpoint, None)?.1)
}

/// Sets first, then the rules that may name them; `lock`: of the scratch namespace, `None`
/// on the live side. Returns the names of the sets and warnings.
fn load(
    transaction: &Transaction,
    work: &Work,
    checkpoint: &Snapshot,
    lock: Option<&Path>,
) -> Result<(Vec<String>, Vec<String>)> {
    let Work::Rules {
        backend, noflush, ..
    } = work
    else {
        return Ok((Vec::new(), Vec::new()));
    };
    let candidates = read_copies(transaction, work)?;
    let mut target = checkpoint.sets.clone();
    let mut named = Vec::new();
    for candidate in candidates.iter().filter(|one| one.kind == Kind::Ipset) {
        let text = escape::to_text(&candidate.for_tool());
        let wanted = ipset::parse_save(&text).with_context(|| candidate.name.clone())?;
        for set in wanted.sets {
            named.push(set.name.clone());
            merge(&mut target, set, *noflush);
        }
    }
    let live = Sets::capture()?;
    let prepared = Sets::prepare(&live, &target, &named).with_context(|| set_files(&candidates))?;
    let options = LoadOptions {
        backend: match backend {
            Backend::Nft => Some(Resolved::Nft),
            Backend::Legacy => Some(Resolved::Legacy),
            Backend::Auto => None,
        },
        noflush: *noflush,
        xtables_lock: lock.map(Path::to_owned),
        // Nothing waits for what happens in a scratch namespace: it is called off at any time.
        deadline: match lock {
            Some(_) => exec::DEFAULT_DEADLINE,
            None => exec::LIVE_DEADLINE,
        },
    };
    let warnings = load_into_namespace(&candidates, &options)?;
    if !prepared.temporary().is_empty() {
        // A set of another type than before: the old one has to be free of rules by now.
        prepared.finish().with_context(|| set_files(&candidates))?;
    }
    match Sets::settle(&live, &target, &named).into_iter().next() {
        None => Ok((named, warnings)),
        Some(error) => Err(error).with_context(|| set_files(&candidates)),
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

/// The candidates as copied into the transaction's directory.
fn read_copies(transaction: &Transaction, work: &Work) -> Result<Vec<Candidate>> {
    let Work::Rules { files, .. } = work else {
        return Ok(Vec::new());
    };
    files
        .iter()
        .map(|file| {
            let path = transaction.file(&file.copy);
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            if sha256 != file.sha256 {
                bail!("{} is not what was copied there", path.display());
            }
            Ok(Candidate {
                name: file.name.clone(),
                path: file.path.clone(),
                cwd: file.cwd.clone(),
                kind: file.kind,
                bytes,
                sha256,
            })
        })
        .collect()
}
