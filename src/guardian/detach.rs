//! Leaving the caller's terminal, session and environment behind.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, getpid};

use crate::exec::{self, Run};
use crate::guardian_unit;
use crate::netns::identity;
use crate::transaction::Transaction;

/// What the guardian says on standard output once it can be talked to.
pub const READY: &str = "ready";
/// What guardian and successor print on standard error, in the transaction's directory.
pub const LAUNCH_LOG: &str = "guardian.log";

/// Leads to this very program, whatever its name is by now; in another process, to that one's.
const OWN_LINK: &str = "/proc/self/exe";

/// Another guardian holds the lock; nothing was begun.
#[derive(Debug, thiserror::Error)]
#[error("another transaction is pending; see 'safe-apply status'")]
pub struct Busy;

/// The path of this very program, also after it was replaced on disk.
#[must_use]
pub fn own_binary() -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let link = PathBuf::from(OWN_LINK);
    let inode = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    match std::fs::read_link(&link) {
        // Another file of that name may be another version, or half a one.
        Ok(path) if inode(&path).is_some_and(|one| inode(&link) == Some(one)) => path,
        Ok(_) | Err(_) => link,
    }
}

/// Points standard input and output at `/dev/null`.
pub fn silence() {
    if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        // The streams that cannot be replaced are not written to.
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

/// Starts a successor that watches this process.
///
/// # Errors
/// When it cannot be started.
pub fn start_successor(transaction: &Transaction) -> Result<Pid> {
    let mut child = Command::new(own_binary())
        .args(["__successor", transaction.id.as_str(), "--watch"])
        .arg(getpid().as_raw_pid().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start a successor")?;
    let pid = Pid::from_child(&child);
    // Reaped as soon as it ends; it outlives this process in all other cases.
    std::thread::spawn(move || child.wait());
    Ok(pid)
}

/// Starts the guardian of `transaction`, and waits until it can be talked to.
///
/// Without an answer it may be that a successor is taking over: the caller follows and sees.
///
/// # Errors
/// When it cannot be started, or says why it will not.
pub fn launch(transaction: &Transaction) -> Result<()> {
    if unit_applies() {
        return launch_unit(transaction);
    }
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(transaction.file(LAUNCH_LOG))?;
    let mut child = Command::new(own_binary())
        .args(["__successor", transaction.id.as_str()])
        .current_dir("/")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start the guardian")?;
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut answer)?;
    }
    match answer.trim() {
        READY | "" => Ok(()),
        refusal if refusal == Busy.to_string() => Err(Busy.into()),
        refusal => bail!("{refusal}"),
    }
}

/// systemd is PID 1, its services live in the caller's network namespace, and it can be
/// told which program to start.
fn unit_applies() -> bool {
    let same = |mine: (u64, u64)| identity("1").is_ok_and(|theirs| theirs == mine);
    guardian_unit::systemd_runs(Path::new("/proc"), Path::new("/"))
        && identity("self").is_ok_and(same)
        && own_binary() != Path::new(OWN_LINK)
}

fn launch_unit(transaction: &Transaction) -> Result<()> {
    let binary = own_binary();
    let environment = guardian_unit::environment(|name| std::env::var(name).ok());
    let installed = guardian_unit::unit_installed(Path::new("/"), &binary);
    let mut unknown: Vec<String> = Vec::new();
    loop {
        let command = guardian_unit::start_command(
            transaction.id.as_str(),
            installed,
            &binary,
            &environment,
            &unknown,
        );
        let (program, args) = command
            .split_first()
            .context("no command to start the unit")?;
        let started = Run::tool(&program.to_string_lossy())?
            .args(args.iter().cloned())
            .success();
        // An older systemd: nothing was started, and the rest of the settings still help.
        if let Err(exec::Error::Failed { stderr, .. }) = &started
            && let Some(setting) = guardian_unit::unknown_setting(stderr)
            && !unknown.contains(&setting)
        {
            unknown.push(setting);
            continue;
        }
        started.context("systemd did not start the guardian")?;
        return Ok(());
    }
}
