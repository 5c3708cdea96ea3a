//! The administrator's hooks: a shell command after a commit, another after a rollback.

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::Core;
use crate::exec::{Run, describe};
use crate::transaction::Transaction;

/// How long a hook may take.
const HOOK_MAX: Duration = Duration::from_secs(60);

/// A hook is no guardian: under memory pressure it may go (`proc(5)`, `oom_score_adj`).
const WRAP: &str = r#"{ echo 0 >/proc/self/oom_score_adj; } 2>/dev/null; exec /bin/sh -c "$1""#;

/// Runs `command`, if there is one; `outcome` is told to it. Its failure is a warning.
pub fn run(core: &mut Core, command: Option<String>, outcome: &str) {
    let Some(command) = command else { return };
    let mut run = Run::path("/bin/sh")
        .args(["-c", WRAP, "sh", &command])
        .deadline(HOOK_MAX);
    for (name, value) in environment(&core.transaction, outcome) {
        run = run.env(&name, value);
    }
    match run.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => core.warn(format!(
            "the hook '{command}' failed ({}): {}",
            describe(output.status),
            output.stderr
        )),
        Err(error) => core.warn(format!("the hook '{command}': {error}")),
    }
}

/// Environment of hooks: which transaction, how it ended.
fn environment(transaction: &Transaction, outcome: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (
            "SAFE_APPLY_TRANSACTION".to_owned(),
            transaction.id.to_string(),
        ),
        ("SAFE_APPLY_OUTCOME".to_owned(), outcome.to_owned()),
    ])
}
