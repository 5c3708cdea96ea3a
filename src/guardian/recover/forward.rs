//! A change that was confirmed and not yet written for the next boot when the host went down.

use crate::guardian::core::Core;
use crate::guardian::restore::{self, Restored};

/// Makes the confirmed rules live again, in the parts that the change touched: what is
/// persisted is read from the kernel, and the kernel has what the files held before. Where that
/// fails, nothing must be persisted: says why.
pub fn bring_forward(core: &Core) -> Result<(), String> {
    let (Some(checkpoint), Some(applied)) = (&core.checkpoint, &core.applied) else {
        return Err("its records are missing or damaged".to_owned());
    };
    let Restored { differences, .. } = restore::bring_back(applied, checkpoint);
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("; "))
    }
}
