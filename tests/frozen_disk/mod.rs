//! A disk that hangs: a file system of its own, frozen (`fsfreeze(8)`). Whoever writes to it waits, and
//! cannot be killed, until it is thawed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Thaws the file system when it goes, and also when this process is killed.
#[derive(Debug)]
pub struct Thaw(Child);

/// Makes a file system from the file `$0.image` and mounts it at `$0`.
pub const MAKE: &str = "mkdir -p \"$0\" && truncate -s 16M \"$0.image\" && \
    mkfs.ext4 -q -F \"$0.image\" && mount -o loop \"$0.image\" \"$0\" && chmod 700 \"$0\"";

/// The command that freezes the file system mounted at its argument.
pub const FREEZE: &str = "fsfreeze -f";

/// Thaws the file system mounted at `path`, as `shell` sees it, when what is returned goes.
pub fn thaw_later(mut shell: Command, path: &str) -> Thaw {
    // It is looked up before it stands still.
    let script = "cd \"$0\" && echo ready && read -r _; fsfreeze -u .";
    let mut child = shell
        .args(["-c", script, path])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    let thaw = Thaw(child);
    assert_eq!(said, "ready\n", "{path} could not be thawed");
    thaw
}

impl Drop for Thaw {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
