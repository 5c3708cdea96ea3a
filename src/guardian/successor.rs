//! The successor: watches the guardian and replays the journal when it dies in any way.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, setsid, waitpid,
};

use super::detach;
use crate::transaction::{Id, Transaction};

/// After so many guardians that died one after the other, the next verb has to settle it.
const ATTEMPTS_MAX: u32 = 100;
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Runs until the transaction is settled. With `watch`, that guardian runs already.
///
/// # Errors
/// When no guardian can be started.
pub fn run(transaction: &Transaction, watch: Option<i32>) -> Result<()> {
    // It fails only for the leader of a group, who has nothing to leave.
    let _ = setsid();
    if let Some(pid) = watch.and_then(Pid::from_raw) {
        detach::silence();
        wait_for_end(pid);
    } else {
        let child = start(&transaction.id)?;
        detach::silence();
        if finished(child) {
            return Ok(());
        }
    }
    for attempt in 0..ATTEMPTS_MAX {
        if settled(transaction) {
            return Ok(());
        }
        if attempt > 0 {
            std::thread::sleep((Duration::from_millis(50) * attempt).min(PAUSE_MAX));
        }
        match start(&transaction.id).map(finished) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(_) if attempt + 1 < ATTEMPTS_MAX => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Starts the guardian with standard output as the way to say that it is ready.
fn start(id: &Id) -> Result<Pid> {
    let child = Command::new(detach::own_binary())
        .args(["__guardian", id.as_str(), "--successor"])
        .arg(getpid().as_raw_pid().to_string())
        .stdin(Stdio::null())
        .spawn()?;
    Ok(Pid::from_child(&child))
}

/// Waits for the end of a guardian, and says whether it ended well. One that somebody
/// has stopped could not roll back in time: it is continued (`waitpid(2)`, `WUNTRACED`).
fn finished(guardian: Pid) -> bool {
    loop {
        match waitpid(Some(guardian), WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => {
                // It fails only for one that is dead by now; that is heard next.
                let _ = kill_process(guardian, Signal::CONT);
            }
            Ok(Some((_, status))) => return status.exit_status() == Some(0),
            Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}

fn settled(transaction: &Transaction) -> bool {
    transaction
        .last()
        .is_ok_and(|last| last.is_some_and(|record| record.detail.finished))
}

/// Waits for the end of a process, which need not be a child (`pidfd_open(2)`).
pub fn wait_for_end(pid: Pid) {
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    loop {
        let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}
