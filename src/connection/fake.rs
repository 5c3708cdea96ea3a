//! A `/proc` of the tests' own making.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Connection, Tuple};

/// A connection with the given ends, cookie and inode.
pub(super) fn connection(local: &str, peer: &str, cookie: u64, inode: u64) -> Connection {
    Connection {
        tuple: Tuple::new(local.parse().unwrap(), peer.parse().unwrap()),
        cookie,
        inode,
        state: super::diag::ESTABLISHED,
        uid: 0,
    }
}

/// A directory that looks like `/proc`.
pub(crate) struct Proc {
    dir: tempfile::TempDir,
}

impl Proc {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    fn of(&self, pid: i32) -> PathBuf {
        self.root().join(pid.to_string())
    }

    /// A process that started `seconds` after boot.
    pub fn process(&self, pid: i32, parent: i32, comm: &str, seconds: u64) {
        self.process_on(pid, parent, comm, seconds, 0);
    }

    /// The same, with the number of its controlling terminal below `/dev/pts`, plus one.
    pub fn process_on(&self, pid: i32, parent: i32, comm: &str, seconds: u64, pts: u32) {
        fs::create_dir_all(self.of(pid).join("fd")).unwrap();
        let ticks = seconds * rustix::param::clock_ticks_per_second();
        let tty = if pts == 0 { 0 } else { 136 << 8 | (pts - 1) };
        let stat =
            format!("{pid} ({comm}) S {parent} 0 0 {tty} 0 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0");
        fs::write(self.of(pid).join("stat"), stat).unwrap();
        self.program(pid, &format!("/usr/bin/{comm}"));
        self.title(pid, comm);
        self.uid(pid, 0);
    }

    pub fn program(&self, pid: i32, path: &str) {
        let link = self.of(pid).join("exe");
        if link.is_symlink() {
            fs::remove_file(&link).unwrap();
        }
        symlink(path, link).unwrap();
    }

    pub fn title(&self, pid: i32, title: &str) {
        fs::write(self.of(pid).join("cmdline"), format!("{title}\0\0\0")).unwrap();
    }

    pub fn uid(&self, pid: i32, uid: u32) {
        let status = format!("Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        fs::write(self.of(pid).join("status"), status).unwrap();
    }

    pub fn environ(&self, pid: i32, entries: &str) {
        fs::write(self.of(pid).join("environ"), entries).unwrap();
    }

    /// Opens `target` as descriptor `number`.
    pub fn open(&self, pid: i32, number: u32, target: &str) {
        symlink(target, self.of(pid).join("fd").join(number.to_string())).unwrap();
    }

    /// Opens a socket.
    pub fn socket(&self, pid: i32, number: u32, inode: u64) {
        self.open(pid, number, &format!("socket:[{inode}]"));
    }

    /// An sshd session: its process and the shell below it.
    pub fn login(&self, sshd: i32, shell: i32, seconds: u64, inode: u64) {
        self.process(sshd, 1, "sshd", seconds);
        self.program(sshd, "/usr/sbin/sshd");
        self.title(sshd, "sshd: root@pts/0");
        self.socket(sshd, 4, inode);
        self.process(shell, sshd, "bash", seconds);
    }
}
