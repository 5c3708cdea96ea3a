//! A change that was confirmed and not yet written for the next boot when the host went down.

use crate::checkpoint::Snapshot;
use crate::guardian::core::Core;
use crate::guardian::restore::{self, Restored};

/// Makes the confirmed rules live again, in the parts that the change touched: what is
/// persisted is read from the kernel, and the kernel has what the files held before.
///
/// # Errors
/// Why they could not be made live in full; what the boot has loaded is live again then, and nothing
/// must be persisted.
pub fn bring_forward(core: &Core) -> Result<(), String> {
    let (Some(checkpoint), Some(applied)) = (&core.checkpoint, &core.applied) else {
        return Err("its records are missing or damaged".to_owned());
    };
    let loaded = Snapshot::capture().map_err(|error| error.to_string())?;
    let Restored { differences, .. } = restore::bring_back(applied, checkpoint);
    if differences.is_empty() {
        return Ok(());
    }
    let mut why = differences.join("; ");
    // Half of the confirmed rules is nothing that anybody has confirmed.
    let back = restore::bring_back(&loaded, applied).differences;
    if !back.is_empty() {
        why += "; nor could what was loaded at boot be brought back in full: ";
        why += &back.join("; ");
    }
    Err(why)
}
