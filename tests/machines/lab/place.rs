//! The surroundings of one machine: its disk, and the user's host on the other end of its wire.
//!
//! They are namespaces of a holder process that reads from a pipe of ours: when the test ends in
//! any way it reads end of file and exits, and the kernel kills what runs in there and drops mounts,
//! disk, network and rules.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::cgroup::MachineCgroups;
use super::command::eventually;
use super::{own, rootfs};

/// Where the lab's directory is on the machine.
pub const SHARE: &str = "/lab";

/// Namespaces, a directory for files that both sides see, cgroups, a disk.
#[derive(Debug)]
pub struct Place {
    dir: tempfile::TempDir,
    unshare: Child,
    holder: i32,
    pub cgroups: MachineCgroups,
}

impl Place {
    /// Makes everything that a machine of `suite` with `packages` needs around it.
    #[track_caller]
    pub fn new(suite: &str, packages: &[&str]) -> Self {
        let layers = rootfs::layers(suite, packages);
        let dir = own::directory();
        let path = dir.path().to_str().unwrap().to_owned();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["disk", "share"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/lab/place.sh");
        let unshare = Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--fork", "--", "bash"])
            .arg(script)
            .args([&path, &layers])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare (util-linux) starts");
        let mut place = Self {
            dir,
            unshare,
            holder: 0,
            cgroups: MachineCgroups::new(),
        };
        eventually("the machine's surroundings are there", || {
            let ended = place.unshare.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "no surroundings (what is missing is above)"
            );
            place.dir.path().join("up").exists()
        });
        place.holder = own::only_child(place.unshare.id());
        place
    }

    /// The directory that the machine sees as [`SHARE`].
    pub fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    /// A file of the lab that the machine does not see.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The machine's root directory as seen in these surroundings.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("disk/root")
    }

    /// The machine's root directory as seen from here: for the time when it is down.
    pub fn root_from_here(&self) -> PathBuf {
        let root = self.root();
        Path::new("/proc")
            .join(self.holder.to_string())
            .join("root")
            .join(root.strip_prefix("/").unwrap())
    }

    /// A command that will run around the machine: its mounts, processes and user's network.
    pub fn around(&self, program: &str) -> Command {
        let mut nsenter = Command::new("nsenter");
        let holder = self.holder.to_string();
        nsenter.args(["-t", &holder, "-m", "-p", "-n", "--", program]);
        nsenter
    }

    /// A command that will run on the user's host.
    pub fn on_users_host(&self, program: &str) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args(["-t", &self.holder.to_string(), "-n", "--", program])
            .env_remove("SSH_AUTH_SOCK");
        nsenter
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.unshare.stdin.take());
        // It ends once every process in there is dead.
        let _ = self.unshare.wait();
    }
}
