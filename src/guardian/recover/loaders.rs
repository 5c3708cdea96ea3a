//! Waiting for what loads rules at boot and is not done when systemd thinks so.

use std::time::Duration;

use super::boot::unchanged_boot_file;
use crate::exec::Run;
use crate::transaction::{State, Store};

/// How long systemd may take to say whether a service runs.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long firewalld may take to load its rules.
const LOAD_MAX: Duration = Duration::from_secs(60);

/// Waits for firewalld where it runs and there may be something to take back.
///
/// It takes its bus name, and so counts as started, before it loads its rules, and answers
/// after that (`run_server` in firewalld 1.3).
pub fn wait_for_loaders(store: &Store) {
    if !something_to_take_back(store) {
        return;
    }
    let Ok(ask) = Run::tool("firewall-cmd") else {
        return;
    };
    let runs = Run::tool("systemctl").is_ok_and(|systemctl| {
        systemctl
            .args(["is-active", "--quiet", "firewalld.service"])
            .deadline(ANSWER_MAX)
            .success()
            .is_ok()
    });
    if runs {
        // Whatever it says, it is looked at what the kernel holds.
        let _ = ask.args(["--state"]).deadline(LOAD_MAX).output();
    }
}

fn something_to_take_back(store: &Store) -> bool {
    store.list().unwrap_or_default().iter().any(|transaction| {
        let Ok(Some(last)) = transaction.last() else {
            return false;
        };
        let in_file = || {
            transaction
                .meta()
                .is_ok_and(|meta| unchanged_boot_file(&meta))
        };
        !last.detail.finished || matches!(last.state, State::RolledBack { .. }) && in_file()
    })
}
