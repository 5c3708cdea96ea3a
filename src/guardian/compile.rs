//! Compiling the candidate: the tools load it over the checkpoint, in a scratch
//! network namespace; what they make of it is what goes live.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::candidate::{Candidate, Kind, LoadOptions, Resolved, load_into_namespace};
use crate::checkpoint::Snapshot;
use crate::cli::Backend;
use crate::ipset::Sets;
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

/// Sets first, then the rules that may name them; returns the names of the sets and warnings.
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
        let text = String::from_utf8_lossy(&candidate.for_tool()).into_owned();
        named.extend(
            target
                .merge(&text, *noflush)
                .with_context(|| candidate.name.clone())?,
        );
    }
    if !named.is_empty() {
        let live = Sets::capture()?;
        Sets::prepare(&live, &target, &named).context(set_files(&candidates))?;
    }
    let options = LoadOptions {
        backend: match backend {
            Backend::Nft => Some(Resolved::Nft),
            Backend::Legacy => Some(Resolved::Legacy),
            Backend::Auto => None,
        },
        noflush: *noflush,
        xtables_lock: lock.map(Path::to_owned),
    };
    let warnings = load_into_namespace(&candidates, &options)?;
    Ok((named, warnings))
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
