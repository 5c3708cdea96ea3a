//! What `/proc` tells about processes (`proc(5)`); its root is a parameter for the tests' sake.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// More generations than any shell has above it; a bound against a damaged `/proc`.
const MAX_GENERATIONS: usize = 512;
/// `UNIX98_PTY_SLAVE_MAJOR`, `linux/major.h`.
const PTY_MAJOR: u32 = 136;
/// `TTY_MAJOR`, `linux/major.h`; serial lines start at minor 64.
const TTY_MAJOR: u32 = 4;
const FIRST_SERIAL_MINOR: u32 = 64;

/// One process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    dir: PathBuf,
    pub pid: i32,
    pub parent: i32,
    /// The name that the kernel keeps, at most 15 bytes; a process can change its own.
    pub comm: String,
    /// The controlling terminal, such as `/dev/pts/3`.
    pub tty: Option<String>,
    /// In clock ticks since boot, rounded down.
    start_ticks: u64,
}

impl Process {
    /// Reads `/proc/PID/stat`.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(proc_root: &Path, pid: i32) -> io::Result<Self> {
        let dir = proc_root.join(pid.to_string());
        let stat = fs::read(dir.join("stat"))?;
        parse_stat(dir, pid, &String::from_utf8_lossy(&stat)).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc/PID/stat is not of the known form",
            )
        })
    }

    /// When it started, in milliseconds of `CLOCK_BOOTTIME`, rounded down.
    pub fn started_ms(&self) -> u64 {
        let ticks = u128::from(self.start_ticks) * 1000;
        let millis = ticks / u128::from(rustix::param::clock_ticks_per_second().max(1));
        u64::try_from(millis).unwrap_or(0)
    }

    /// Where each open file descriptor points, such as `socket:[4711]`.
    ///
    /// # Errors
    /// When the process is gone or not ours to look at.
    fn open_files(&self) -> io::Result<Vec<String>> {
        let mut targets = Vec::new();
        for entry in fs::read_dir(self.dir.join("fd"))? {
            match fs::read_link(entry?.path()) {
                Ok(target) => targets.push(target.to_string_lossy().into_owned()),
                // Closed between listing and reading.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(targets)
    }

    /// Inodes of the sockets it holds.
    ///
    /// # Errors
    /// As for [`Process::open_terminals`].
    pub fn sockets(&self) -> io::Result<BTreeSet<u64>> {
        let files = self.open_files()?;
        Ok(files.iter().filter_map(|file| socket_inode(file)).collect())
    }

    /// The terminals it has open, such as `/dev/pts/3`.
    ///
    /// # Errors
    /// When the process is gone or not ours to look at.
    pub fn open_terminals(&self) -> io::Result<BTreeSet<String>> {
        let mut targets = self.open_files()?;
        targets.retain(|target| target.starts_with("/dev/pts/") || target.starts_with("/dev/tty"));
        Ok(targets.into_iter().collect())
    }

    /// The name of the program it runs, without directory; `None` when that cannot be read.
    pub fn program(&self) -> Option<String> {
        let target = fs::read_link(self.dir.join("exe")).ok()?;
        let name = target.file_name()?.to_string_lossy().into_owned();
        // The kernel marks a file that was replaced, as by an upgrade.
        Some(
            name.strip_suffix(" (deleted)")
                .map_or(name.clone(), str::to_owned),
        )
    }

    /// The first argument, where daemons write a title over it.
    pub fn title(&self) -> Option<String> {
        let bytes = fs::read(self.dir.join("cmdline")).ok()?;
        let first = bytes.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(first).trim_end().to_owned())
    }

    /// The real user id.
    pub fn uid(&self) -> Option<u32> {
        let status = fs::read_to_string(self.dir.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// A variable of the environment it was started with, unless empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        let bytes = fs::read(self.dir.join("environ")).ok()?;
        let prefix = format!("{name}=");
        let mut entries = bytes.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(prefix.as_bytes()))?;
        Some(String::from_utf8_lossy(value).into_owned()).filter(|value| !value.is_empty())
    }

    fn identity(&self) -> (i32, u64) {
        (self.pid, self.start_ticks)
    }
}

/// The inode of a socket from where a file descriptor points, such as `socket:[4711]`.
pub(crate) fn socket_inode(target: &str) -> Option<u64> {
    let inner = target.strip_prefix("socket:[")?.strip_suffix(']')?;
    inner.parse().ok()
}

/// Reads `PID (COMM) STATE PPID …`; COMM may hold spaces and parentheses, so the last one counts.
fn parse_stat(dir: PathBuf, pid: i32, stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    // The first of `fields` is field 3 of proc(5).
    let field = |number: usize| fields.get(number - 3);
    Some(Process {
        dir,
        pid,
        parent: field(4)?.parse().ok()?,
        comm: head.split_once('(')?.1.to_owned(),
        tty: terminal_name(field(7)?.parse::<i64>().ok()?),
        start_ticks: field(22)?.parse().ok()?,
    })
}

/// The name of a terminal from its device number as `new_encode_dev` in
/// `linux/kdev_t.h` packs it: major in bits 8 to 19, minor in the others.
fn terminal_name(device: i64) -> Option<String> {
    let device = u32::try_from(device & 0xffff_ffff).ok()?;
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xf_ff00);
    match (major, minor) {
        (PTY_MAJOR, index) => Some(format!("/dev/pts/{index}")),
        (TTY_MAJOR, index) if index < FIRST_SERIAL_MINOR => Some(format!("/dev/tty{index}")),
        (TTY_MAJOR, index) => Some(format!("/dev/ttyS{}", index - FIRST_SERIAL_MINOR)),
        _ => None,
    }
}

/// `pid` and its ancestors up to, without, the first process of the system.
///
/// # Errors
/// When one of them is gone, cannot be read, or changed while they were read.
pub(super) fn ancestry(proc_root: &Path, pid: i32) -> io::Result<Vec<Process>> {
    let first = climb(proc_root, pid)?;
    let second = climb(proc_root, pid)?;
    let same = first
        .iter()
        .map(Process::identity)
        .eq(second.iter().map(Process::identity));
    if same && !first.is_empty() {
        return Ok(first);
    }
    Err(io::Error::other(
        "the processes changed while they were looked at",
    ))
}

fn climb(proc_root: &Path, pid: i32) -> io::Result<Vec<Process>> {
    let mut chain: Vec<Process> = Vec::new();
    let mut next = pid;
    while next > 1 && chain.len() < MAX_GENERATIONS {
        let process = Process::read(proc_root, next)?;
        next = process.parent;
        chain.push(process);
    }
    Ok(chain)
}

/// All processes that can be read; those that vanish meanwhile are left out.
pub(super) fn all(proc_root: &Path) -> Vec<Process> {
    let entries = fs::read_dir(proc_root).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Process::read(proc_root, pid).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ancestry, parse_stat, terminal_name};
    use crate::connection::fake::Proc;

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 5 7 7 34817 7 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let process = parse_stat("/proc/7".into(), 7, stat).unwrap();
        assert_eq!(process.comm, "a) b (c");
        assert_eq!(process.parent, 5);
        assert_eq!(process.tty.as_deref(), Some("/dev/pts/1"));
        assert_eq!(process.start_ticks, 4242);
        assert!(parse_stat("/proc/7".into(), 7, "7 (a) S 5").is_none());
    }

    #[test]
    fn terminals_have_names() {
        assert_eq!(terminal_name(0), None);
        assert_eq!(terminal_name(0x401).as_deref(), Some("/dev/tty1"));
        assert_eq!(terminal_name(0x440).as_deref(), Some("/dev/ttyS0"));
        assert_eq!(terminal_name(0x10_8801).as_deref(), Some("/dev/pts/257"));
    }

    #[test]
    fn ancestors_end_below_the_first_process() {
        let proc = Proc::new();
        proc.process(50, 1, "sshd", 10);
        proc.process(60, 50, "bash", 20);
        let chain = ancestry(proc.root(), 60).unwrap();
        assert_eq!(
            chain.iter().map(|one| one.pid).collect::<Vec<_>>(),
            [60, 50]
        );
        assert!(ancestry(proc.root(), 61).is_err());
        assert!(ancestry(proc.root(), 0).is_err());
        assert!(ancestry(proc.root(), 1).is_err());
    }

    #[test]
    fn a_replaced_program_keeps_its_name() {
        let proc = Proc::new();
        proc.process(50, 1, "sshd", 10);
        proc.program(50, "/usr/sbin/sshd (deleted)");
        let chain = ancestry(proc.root(), 50).unwrap();
        assert_eq!(chain[0].program().as_deref(), Some("sshd"));
    }
}
