//! The candidates as copied into the transaction's directory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::candidate::{Candidate, How, Resolved};
use crate::checkpoint::Snapshot;
use crate::cli::Backend;
use crate::managers::{self, Change, Managers};
use crate::nftables::Compare;
use crate::transaction::Transaction;
use crate::transaction::store::{Meta, Work};

/// How `work` is compiled.
#[must_use]
pub const fn how(work: &Work) -> How {
    match work {
        Work::Rules {
            backend, noflush, ..
        } => How {
            backend: match backend {
                Backend::Nft => Some(Resolved::Nft),
                Backend::Legacy => Some(Resolved::Legacy),
                Backend::Auto => None,
            },
            noflush: *noflush,
        },
        Work::Command => How {
            backend: None,
            noflush: false,
        },
    }
}

/// Reads them; a command has none.
///
/// # Errors
/// When a copy cannot be read, or is not what was copied.
pub fn read_copies(transaction: &Transaction, work: &Work) -> Result<Vec<Candidate>> {
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

/// What the programs of this host will undo of what `compiled` makes of `before`.
#[must_use]
pub fn undone(
    managers: &Managers,
    meta: &Meta,
    before: &Snapshot,
    compiled: &Snapshot,
) -> Vec<String> {
    let Work::Rules { files, .. } = &meta.work else {
        return Vec::new();
    };
    let touched = before.differing(compiled, Compare::Rules);
    let kinds = files.iter().filter(|file| !file.boot_file);
    let change = Change {
        touched: &touched,
        kinds: kinds.map(|file| file.kind).collect(),
        persist: meta.persist.is_some(),
        command: None,
        written: &[],
    };
    managers::undone(managers, &change)
}

/// The rule files of `work` that are loaded at boot, and still are what was copied.
#[must_use]
pub fn unchanged_boot_files(work: &Work) -> Vec<&Path> {
    let Work::Rules { files, .. } = work else {
        return Vec::new();
    };
    let boot_files = files.iter().filter(|file| file.boot_file);
    boot_files
        .filter_map(|file| {
            let path = file.path.as_deref()?;
            let bytes = fs::read(path).ok()?;
            (<[u8; 32]>::from(Sha256::digest(&bytes)) == file.sha256).then_some(path)
        })
        .collect()
}
