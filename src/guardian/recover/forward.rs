//! A change that was confirmed and not yet written for the next boot when the host went down.

use crate::guardian::core::Core;
use crate::guardian::restore;

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
    let differences = restore::bring_forward(applied, checkpoint);
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("; "))
    }
}
