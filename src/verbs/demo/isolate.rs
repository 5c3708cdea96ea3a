//! Namespaces around the whole demo: the kernel removes them, and ends every process in them,
//! with the first process inside, however that one ends.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Signal, getegid, geteuid, getpid, set_parent_process_death_signal, setsid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::STORY;
use crate::exec::Run;
use crate::exit::Exit;
use crate::paths::{CONFIG_ENV, ROOT_ENV, RUN_ENV, STATE_ENV};

/// Where the demo keeps everything: a tmpfs that only its mount namespace has.
pub const DIR: &str = "/run/demo";
/// The home of root on the server and on the client.
pub const HOME: &str = "/run/demo/root";
/// `PATH` of a login to the server.
pub const LOGIN_PATH: &str = "/run/demo/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What a login to the server has in its environment, besides `PATH`.
pub const SETTINGS: [(&str, &str); 5] = [
    (STATE_ENV, "/run/demo/state"),
    (RUN_ENV, "/run/demo/run"),
    (CONFIG_ENV, "/run/demo/safe-apply.toml"),
    (ROOT_ENV, "/run/demo/rootfs"),
    ("XTABLES_LOCKFILE", "/run/demo/xtables.lock"),
];
/// What the user's own login sets, which is not part of the story; empty counts as unset.
const FOREIGN: [&str; 7] = [
    "SSH_CONNECTION",
    "SSH_CLIENT",
    "SSH_TTY",
    "SUDO_USER",
    "SUDO_UID",
    "TMUX",
    "STY",
];

/// Makes the namespaces, starts the story in them and waits for its end.
pub fn outside() -> Result<Exit> {
    let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGHUP])?;
    // By its path, so that it is found on a mount of the new namespace, which can be mounted
    // again; seen from there, the mount it was started from has no path any more.
    let program = std::env::current_exe().context("the program's own path cannot be told")?;
    separate()?;
    let mut story = Run::path(program).args(["demo", "--part", STORY]);
    for (name, value) in SETTINGS {
        story = story.env(name, value);
    }
    for name in FOREIGN {
        story = story.env(name, "");
    }
    let mut story = story.env("HOME", HOME).attached()?;
    for signal in signals.forever() {
        if let Some(status) = story.ended()? {
            return Ok(match status.code() {
                Some(0) => Exit::Success,
                Some(_) => Exit::Failed,
                None => bail!("the demo was killed; this machine's own rules were not touched"),
            });
        }
        if signal != SIGCHLD {
            break;
        }
    }
    // Dropping the story kills it, and the kernel everything that it has started.
    bail!("the demo was interrupted; this machine's own rules were not touched")
}

/// Leaves the machine's namespaces; this process must not start a thread from here on.
fn separate() -> Result<()> {
    let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    if geteuid().is_root() && unshare(own).is_ok() {
        return Ok(());
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let refused =
        "the demo gets no namespaces here (as an ordinary user, try: sudo safe-apply demo)";
    unshare(CloneFlags::CLONE_NEWUSER | own).context(refused)?;
    fs::write("/proc/self/setgroups", "deny").context(refused)?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).context(refused)?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).context(refused)
}

/// As the first process inside: a `/proc` for this PID namespace, a `/run` of our own.
pub fn inside() -> Result<()> {
    if getpid().as_raw_pid() != 1 {
        bail!("this part of the demo is only for the demo itself; start it with: safe-apply demo");
    }
    // A Ctrl-C is for the process outside, which ends this one; until here it is ignored, as any
    // signal is that the first process of a PID namespace does not ask for.
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let rec_private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    let refused = "the demo may not mount, not even in a namespace of its own (as an ordinary user, try: sudo safe-apply demo)";
    mount_change("/", rec_private).context(refused)?;
    let safe = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", "/run", "tmpfs", safe, c"mode=0755").context(refused)?;
    for dir in [DIR, HOME, "/run/demo/bin", "/run/demo/rootfs"] {
        fs::create_dir(dir)?;
    }
    let program = Path::new("/run/demo/bin/safe-apply");
    fs::write(program, "")?;
    mount_bind("/proc/self/exe", program).context("the program itself cannot be mounted")?;
    mount("proc", "/proc", "proc", safe | MountFlags::NOEXEC, None).context(refused)
}
