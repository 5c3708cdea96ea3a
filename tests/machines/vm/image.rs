//! What a machine boots from: kernel, initial RAM disk, and the contents of its disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{layers, own, write_below};

/// What the kernel needs beside the tree that all machines share.
const PACKAGES: [&str; 2] = ["busybox-static", "linux-image-cloud-amd64"];
const AGENT_UNIT: &str = "[Unit]\nDescription=What the test asks for\nAfter=multi-user.target\n\n\
    [Service]\nExecStart=/usr/local/sbin/agent\nStandardInput=tty-force\nStandardOutput=tty\n\
    TTYPath=/dev/ttyS1\nRestart=always\n\n[Install]\nWantedBy=multi-user.target\n";
/// What a machine without network, users and devices that come and go can do without.
const MASKED: [&str; 20] = [
    "dbus.service",
    "dbus.socket",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "e2scrub_reap.service",
    "getty.target",
    "kmod-static-nodes.service",
    "ssh.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-user-sessions.service",
];

/// A file system of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filesystem {
    Ext4,
    Xfs,
}

/// A machine that has not been started yet.
#[derive(Debug)]
pub struct Image {
    dir: tempfile::TempDir,
    files: PathBuf,
    layers: String,
}

impl Image {
    /// Debian 12 with its own kernel.
    pub fn debian() -> Self {
        let dir = own::directory();
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::set_permissions(&files, fs::Permissions::from_mode(0o755)).unwrap();
        let image = Self {
            dir,
            files,
            layers: layers("bookworm", &PACKAGES),
        };
        image.program("/usr/local/sbin/agent", include_str!("agent.sh"));
        image.file("/etc/systemd/system/agent.service", AGENT_UNIT);
        image.enable("agent.service");
        for unit in MASKED {
            symlink(
                "/dev/null",
                image.files.join("etc/systemd/system").join(unit),
            )
            .unwrap();
        }
        image
    }

    /// The directory that is laid over the tree.
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// Adds a file of mode 0644, by its absolute path.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        write_below(&self.files, path, content);
    }

    /// Adds a file of mode 0755.
    pub fn program(&self, path: &str, content: impl AsRef<[u8]>) {
        self.file(path, content);
        let path = self.files.join(path.trim_start_matches('/'));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Starts a unit at boot.
    pub fn enable(&self, unit: &str) {
        let wants = self
            .files
            .join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        let target = ["etc/systemd/system", "usr/lib/systemd/system"]
            .iter()
            .find(|dir| self.files.join(dir).join(unit).exists())
            .unwrap_or(&"lib/systemd/system");
        symlink(format!("/{target}/{unit}"), wants.join(unit)).unwrap();
    }

    /// Makes a disk of `mib` MiB with the tree on it.
    #[track_caller]
    pub fn disk(&self, filesystem: Filesystem, mib: u32) -> PathBuf {
        let disk = self.dir.path().join("disk");
        let filesystem = match filesystem {
            Filesystem::Ext4 => "ext4",
            Filesystem::Xfs => "xfs",
        };
        let mut image = script("image.sh");
        image.arg(&self.layers).arg(&self.files).arg(filesystem);
        must(image.arg(mib.to_string()).arg(&disk));
        disk
    }

    /// Makes the initial RAM disk.
    #[track_caller]
    pub fn initrd(&self) -> PathBuf {
        let initrd = self.dir.path().join("initrd");
        must(script("initrd.sh").arg(self.upper()).arg(&initrd));
        initrd
    }

    /// Debian's kernel.
    pub fn kernel(&self) -> PathBuf {
        let boot = fs::read_dir(self.upper().join("boot")).unwrap();
        boot.map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("/vmlinuz-"))
            .expect("a kernel")
    }

    /// A directory for what belongs to the machine.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn upper(&self) -> &Path {
        Path::new(self.layers.split(':').next().unwrap())
    }
}

fn script(name: &str) -> Command {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/vm");
    Command::new(dir.join(name))
}

/// Runs a command that may take long, to its good end.
#[track_caller]
pub fn must(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
