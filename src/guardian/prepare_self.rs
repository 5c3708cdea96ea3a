//! Making the guardian hard to kill by accident.

use std::fs;

use rustix::mm::{MlockAllFlags, mlockall};

/// Bit of `CAP_IPC_LOCK` in a capability set (`linux/capability.h`).
const CAP_IPC_LOCK: u32 = 14;

/// Locks the memory and asks the OOM killer to look elsewhere. Both are
/// improvements, not conditions: a container may forbid them.
pub fn harden() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if may_lock(&read("/proc/self/status"), &read("/proc/self/uid_map")) {
        // Swapped-out pages would have to be read from a disk that may be the fault.
        // First what is there, code that has not run yet included; then what comes, as it is used.
        let _ = mlockall(MlockAllFlags::CURRENT);
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}

/// Whether memory may be locked without limit: with a limit, every later allocation could
/// fail, which would kill the guardian instead of protecting it (`mlockall(2)`).
///
/// The capability counts in the initial user namespace only (`user_namespaces(7)`).
fn may_lock(status: &str, uid_map: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let initial = uid_map
        .split_ascii_whitespace()
        .eq(["0", "0", "4294967295"]);
    initial && capabilities.is_some_and(|set| set & (1 << CAP_IPC_LOCK) != 0)
}

#[cfg(test)]
mod tests {
    use super::may_lock;

    const INITIAL: &str = "         0          0 4294967295\n";
    const ALL: &str = "Name:\tx\nCapEff:\t000001ffffffffff\n";

    #[test]
    fn locks_only_without_a_limit() {
        assert!(may_lock(ALL, INITIAL));
        assert!(!may_lock(ALL, "         0       1000          1\n"));
        // A container's usual set: CAP_NET_ADMIN, no CAP_IPC_LOCK.
        assert!(!may_lock("CapEff:\t00000000a80435fb\n", INITIAL));
        assert!(!may_lock("", INITIAL));
    }
}
