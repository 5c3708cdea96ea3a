//! Root filesystems, made by `rootfs.sh` and cached.

use std::path::Path;
use std::process::Command;

/// The layers of a tree, as `lowerdir=` of overlayfs wants them; builds what is not cached.
#[track_caller]
pub fn layers(suite: &str, packages: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/rootfs.sh");
    let output = Command::new(script)
        .arg(suite)
        .args(packages)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
