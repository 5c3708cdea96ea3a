//! `safe-apply RULES...`: apply; wait for confirmation; else restore.

use anyhow::{Context, Result};

use super::start;
use crate::candidate::{self, Candidate, Kind, Resolved, resolve_backend};
use crate::cli::{Apply, Backend, Options};
use crate::exec;
use crate::exit::Exit;
use crate::managers::{self, Managers};
use crate::persist::is_boot_file;
use crate::transaction::store::{RulesFile, Work, write_durably};
use crate::transaction::{Store, Transaction};

/// Applies rule files.
///
/// # Errors
/// What stopped it before the guardian took over; the firewall is untouched.
pub fn run(store: &Store, args: Apply) -> Result<Exit> {
    let json = args.options.json;
    let candidates = match candidate::load(&args.rules, &mut std::io::stdin()) {
        Ok(candidates) => candidates,
        Err(error) => {
            return Ok(refused(json, &error));
        }
    };
    if let Some(exit) = start::clear_the_way(store, &args.options)? {
        return Ok(exit);
    }
    let backend = match backend(&candidates, args.loading.backend) {
        Ok(backend) => backend,
        Err(error) => {
            return Ok(refused(json, &error));
        }
    };
    if let Some(reason) = cannot_be_kept(store, &args.options, &candidates) {
        let message = format!(
            "{reason}.\nThe firewall is untouched. With --force the file is written all the same."
        );
        return Ok(start::refuse(json, Exit::Failed, &message));
    }
    let transaction = store.create()?;
    let files = copy(store, &transaction, &candidates)
        .inspect_err(|_| transaction.discard())
        .context("the rule files cannot be copied; the firewall is untouched")?;
    let work = Work::Rules {
        files,
        backend,
        noflush: args.loading.noflush,
    };
    let rehearsal = if args.no_rehearsal {
        None
    } else {
        Some(start::wishes(store, &args.rehearsal)?)
    };
    start::start(store, &transaction, &args.options, work, rehearsal, None)
}

/// Why `--persist` would write what nothing loads, or what somebody else overrules.
fn cannot_be_kept(store: &Store, options: &Options, candidates: &[Candidate]) -> Option<String> {
    if options.force || !matches!(options.persist, Some(None)) {
        return None;
    }
    let boot_file = |one: &&Candidate| {
        let path = one.path.as_ref();
        path.is_some_and(|path| is_boot_file(store.paths(), path))
    };
    let to_write = candidates.iter().filter(|one| !boot_file(one));
    let kinds = to_write.map(|one| one.kind).collect();
    managers::no_keeper(&Managers::survey(store.paths()), &kinds)
}

pub(super) fn refused(json: bool, error: &candidate::Error) -> Exit {
    let message = format!("{error}\nThe firewall is untouched.");
    start::refuse(json, error.exit(), &message)
}

/// Settles the backend, and that the tools for every file are there.
pub(super) fn backend(
    candidates: &[Candidate],
    choice: Backend,
) -> Result<Backend, candidate::Error> {
    let has = |kind: Kind| candidates.iter().any(|one| one.kind == kind);
    if has(Kind::Nft) {
        exec::find("nft")?;
    }
    if has(Kind::Ipset) {
        exec::find("ipset")?;
    }
    if !has(Kind::IptablesV4) && !has(Kind::IptablesV6) {
        return Ok(choice);
    }
    Ok(match resolve_backend(choice)? {
        Resolved::Nft => Backend::Nft,
        Resolved::Legacy => Backend::Legacy,
    })
}

/// From here on, later edits of the files change nothing.
fn copy(
    store: &Store,
    transaction: &Transaction,
    candidates: &[Candidate],
) -> Result<Vec<RulesFile>> {
    candidates
        .iter()
        .enumerate()
        .map(|(number, candidate)| {
            let copy = format!("candidate-{}", number + 1);
            write_durably(&transaction.file(&copy), &candidate.bytes)?;
            let boot_file = candidate
                .path
                .as_ref()
                .is_some_and(|path| is_boot_file(store.paths(), path));
            Ok(RulesFile {
                name: candidate.name.clone(),
                copy,
                path: candidate.path.clone(),
                kind: candidate.kind,
                cwd: candidate.cwd.clone(),
                sha256: candidate.sha256,
                boot_file,
            })
        })
        .collect()
}
