//! Making the guardian hard to kill by accident.

use std::fs;

use rustix::mm::{MlockAllFlags, mlockall};

/// Locks the memory and asks the OOM killer to look elsewhere. Both are
/// improvements, not conditions: a container may forbid them.
pub fn harden() {
    // Swapped-out pages would have to be read from a disk that may be the fault.
    let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}
