//! Proving the way back: the checkpoint is restored in a scratch network namespace and compared.

use std::io;
use std::time::Duration;

use super::{Direction, Error, Part, Snapshot, bring};
use crate::legacy::Lock;
use crate::netns::NetNs;
use crate::nftables::Compare;

/// Nobody else holds the scratch namespace's lock file.
const SCRATCH_LOCK_WAIT: Duration = Duration::from_secs(10);

/// What the rehearsal of the way back showed.
#[derive(Debug)]
pub enum Proof {
    /// The checkpoint restores; the namespace holds it now.
    Proven(NetNs),
    /// No scratch namespace could be had here.
    NoNamespace(io::Error),
    /// The checkpoint does not restore.
    Failed(Vec<String>),
}

/// A scratch namespace with the devices that `snapshot` names.
///
/// # Errors
/// What the kernel says; `EPERM` without the privilege.
pub fn scratch_for(snapshot: &Snapshot) -> io::Result<NetNs> {
    NetNs::host_like(&snapshot.devices())
}

/// Restores `checkpoint` into a scratch namespace and compares.
///
/// # Errors
/// When the namespace cannot be entered.
pub fn prove(checkpoint: &Snapshot, private_lock: &std::path::Path) -> Result<Proof, Error> {
    let namespace = match scratch_for(checkpoint) {
        Ok(namespace) => namespace,
        Err(error) => return Ok(Proof::NoNamespace(error)),
    };
    let differences = namespace.enter(|| restore_and_compare(checkpoint, private_lock))??;
    Ok(if differences.is_empty() {
        Proof::Proven(namespace)
    } else {
        Proof::Failed(differences)
    })
}

fn restore_and_compare(
    checkpoint: &Snapshot,
    private_lock: &std::path::Path,
) -> Result<Vec<String>, Error> {
    let parts: Vec<Part> = checkpoint.differing(&Snapshot::default(), Compare::Exact);
    let lock = Lock::wait(SCRATCH_LOCK_WAIT).file(private_lock);
    let direction = Direction::Rollback { lock: &lock };
    let mut differences: Vec<String> = match bring(checkpoint, &parts, &direction) {
        Ok(()) => Vec::new(),
        Err(failures) => failures.iter().map(ToString::to_string).collect(),
    };
    let restored = Snapshot::capture()?;
    let differing = checkpoint.differing(&restored, Compare::Exact);
    differences.extend(checkpoint.describe(&restored, &differing));
    Ok(differences)
}
