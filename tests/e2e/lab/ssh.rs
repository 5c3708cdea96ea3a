//! The `ssh` of a user who has no settings: nothing is asked, nothing is shared by accident.

use std::path::Path;
use std::process::{Child, Command};

const OPTIONS: [&str; 8] = [
    "ControlPath=none",
    "BatchMode=yes",
    "ConnectTimeout=3",
    "UserKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "LogLevel=ERROR",
];

/// Makes `ssh`, which is the bare program, log in as `user` at `address`; what is in `options`
/// comes first and counts.
pub fn prepare(ssh: &mut Command, options: &[String], key: &Path, user: &str, address: &str) {
    ssh.args(["-F", "none"]).args(options);
    for option in OPTIONS {
        ssh.args(["-o", option]);
    }
    ssh.arg("-i").arg(key).args(["-l", user, address]);
}

/// An ssh that runs until this is dropped.
#[derive(Debug)]
pub struct Held(pub Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
