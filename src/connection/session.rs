//! From a process to the login it belongs to.

use std::io;
use std::path::Path;

use super::process::{Process, ancestry};
use super::sockets::Sockets;
use super::{Connection, Via, terminal};

/// Programs that serve ssh logins; OpenSSH 9.8 split off the last two.
const SSH_SERVERS: [&str; 5] = [
    "sshd",
    "dropbear",
    "dropbearmulti",
    "sshd-session",
    "sshd-auth",
];
/// How deep tmux in screen in tmux is followed.
pub(super) const MAX_NESTING: u32 = 4;

/// `/proc` and the sockets, seen at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub proc_root: &'a Path,
    pub sockets: &'a Sockets,
}

/// A process that serves a login, and what it serves it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// Its inbound connections, oldest socket first; never empty.
    pub inbound: Vec<Connection>,
    /// When the first process to hold the connection started, in milliseconds of `CLOCK_BOOTTIME`.
    pub started_ms: u64,
}

/// Where a process sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Below the process that serves its login.
    Login(Login),
    /// In a terminal multiplexer, with the logins that are attached to it.
    Terminal { via: Via, attached: Vec<Login> },
    /// Neither.
    Nowhere,
}

/// Where a process sits, and the outermost process of its own side.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub place: Place,
    /// Just below the login process or multiplexer; the process itself where there is none.
    pub outermost: Process,
    /// The process and its ancestors up to `outermost`.
    pub inside: Vec<Process>,
}

/// Walks up from `pid` to the nearest multiplexer or ssh server; where there is
/// neither, to the nearest process with an inbound connection.
///
/// A connection held by another program below an ssh server does not count: a
/// tool that listens inside an old login does not make that login new.
///
/// # Errors
/// When an ancestor is gone or cannot be looked at.
pub(super) fn find(view: View<'_>, pid: i32, nesting: u32) -> io::Result<Found> {
    let chain = ancestry(view.proc_root, pid)?;
    let mut other = None;
    for (index, process) in chain.iter().enumerate() {
        if let Some(via) = terminal::multiplexer(process) {
            let attached = terminal::attached(view, process, via, nesting)?;
            return found(&chain, index, Place::Terminal { via, attached });
        }
        let is_ssh_server = is_ssh_server(process);
        let Some(login) = login(view, &chain[index..], is_ssh_server)? else {
            continue;
        };
        if is_ssh_server {
            return found(&chain, index, Place::Login(login));
        }
        other.get_or_insert((index, login));
    }
    match other {
        Some((index, login)) => found(&chain, index, Place::Login(login)),
        None => found(&chain, 0, Place::Nowhere),
    }
}

fn found(chain: &[Process], index: usize, place: Place) -> io::Result<Found> {
    let inside = chain[..index.max(1)].to_vec();
    let outermost = inside.last().cloned();
    let outermost = outermost.ok_or_else(|| io::Error::other("no process to look at"))?;
    Ok(Found {
        place,
        outermost,
        inside,
    })
}

/// Whether `process` runs an ssh server; the name that a process gives itself
/// counts only where its program cannot be seen.
pub(super) fn is_ssh_server(process: &Process) -> bool {
    let name = process.program().unwrap_or_else(|| process.comm.clone());
    SSH_SERVERS.contains(&name.as_str())
}

/// The login served by the first process of `chain`, whose ancestors follow.
///
/// # Errors
/// When its files cannot be looked at.
pub(super) fn login(
    view: View<'_>,
    chain: &[Process],
    is_ssh_server: bool,
) -> io::Result<Option<Login>> {
    let Some(process) = chain.first() else {
        return Ok(None);
    };
    let held = view.sockets.held(&process.sockets()?);
    let to_listener = |one: &&Connection| view.sockets.listening.contains(&one.tuple.local.port());
    let mut inbound: Vec<Connection> = held.iter().filter(to_listener).cloned().collect();
    if inbound.is_empty() && is_ssh_server {
        // The listener may be gone, or belong to another namespace.
        inbound = held;
    }
    let Some(first) = inbound.first() else {
        return Ok(None);
    };
    // OpenSSH serves a login with two processes that hold one socket; the upper one is as old as it.
    let mut started_ms = process.started_ms();
    for above in &chain[1..] {
        if !above.sockets()?.contains(&first.inode) {
            break;
        }
        started_ms = above.started_ms();
    }
    Ok(Some(Login {
        inbound,
        started_ms,
    }))
}

#[cfg(test)]
mod tests {
    use super::{Place, View, find};
    use crate::connection::fake::{Proc, connection};
    use crate::connection::sockets::Sockets;

    const SSH: &str = "192.0.2.1:22";

    fn sockets(list: &[(&str, &str, u64)]) -> Sockets {
        let connections = list
            .iter()
            .map(|(local, peer, inode)| connection(local, peer, *inode, *inode));
        Sockets {
            connections: connections.collect(),
            listening: [22, 8080].into(),
            ..Sockets::default()
        }
    }

    fn inodes(proc: &Proc, sockets: &Sockets, pid: i32) -> Vec<u64> {
        let view = View {
            proc_root: proc.root(),
            sockets,
        };
        match find(view, pid, 0).unwrap().place {
            Place::Login(login) => login.inbound.iter().map(|one| one.inode).collect(),
            Place::Terminal { .. } | Place::Nowhere => Vec::new(),
        }
    }

    #[test]
    fn sudo_with_its_monitor_is_walked_through() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        proc.process(61, 60, "sudo", 20);
        proc.process(62, 61, "sudo", 20);
        proc.process(63, 62, "safe-apply", 20);
        let sockets = sockets(&[(SSH, "192.0.2.9:5000", 70)]);
        assert_eq!(inodes(&proc, &sockets, 63), [70]);
    }

    #[test]
    fn the_split_sshd_is_one_login_as_old_as_its_upper_half() {
        let proc = Proc::new();
        proc.process(40, 1, "sshd", 1);
        proc.program(40, "/usr/sbin/sshd");
        proc.socket(40, 3, 5);
        for (pid, parent, seconds, title) in [
            (50, 40, 10, "sshd-session: bob [priv]"),
            (51, 50, 14, "sshd-session: bob@pts/0"),
        ] {
            proc.process(pid, parent, "sshd-session", seconds);
            proc.program(pid, "/usr/lib/openssh/sshd-session");
            proc.title(pid, title);
            proc.socket(pid, 4, 70);
        }
        proc.process(60, 51, "bash", 15);
        let sockets = sockets(&[(SSH, "192.0.2.9:5000", 70)]);
        let view = View {
            proc_root: proc.root(),
            sockets: &sockets,
        };
        let found = find(view, 60, 0).unwrap();
        let Place::Login(login) = found.place else {
            panic!("no login found")
        };
        assert_eq!((login.started_ms, login.inbound[0].inode), (10_000, 70));
        assert_eq!(found.outermost.pid, 60);
    }

    #[test]
    fn a_listener_inside_a_login_does_not_hide_the_login() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        proc.process(61, 60, "nc", 20);
        proc.socket(61, 3, 71);
        proc.process(62, 61, "safe-apply", 20);
        let sockets = sockets(&[
            (SSH, "192.0.2.9:5000", 70),
            ("192.0.2.1:8080", "192.0.2.9:6000", 71),
        ]);
        assert_eq!(inodes(&proc, &sockets, 62), [70]);
    }

    #[test]
    fn another_kind_of_login_server_counts_where_no_sshd_is_above() {
        let proc = Proc::new();
        proc.process(50, 1, "telnetd", 10);
        proc.socket(50, 0, 71);
        proc.process(60, 50, "login", 20);
        let mut sockets = sockets(&[("192.0.2.1:8080", "192.0.2.9:6000", 71)]);
        assert_eq!(inodes(&proc, &sockets, 60), [71]);
        sockets.listening.clear();
        assert_eq!(inodes(&proc, &sockets, 60), [0_u64; 0]);
    }

    #[test]
    fn outgoing_connections_of_an_sshd_are_left_out() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        proc.socket(50, 9, 72);
        let sockets = sockets(&[
            (SSH, "192.0.2.9:5000", 70),
            ("192.0.2.1:40000", "192.0.2.8:443", 72),
        ]);
        assert_eq!(inodes(&proc, &sockets, 60), [70]);
    }

    #[test]
    fn an_sshd_without_its_listener_still_serves_a_login() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        let mut sockets = sockets(&[(SSH, "192.0.2.9:5000", 70)]);
        sockets.listening.clear();
        assert_eq!(inodes(&proc, &sockets, 60), [70]);
    }

    #[test]
    fn a_vanished_ancestor_is_an_error() {
        let proc = Proc::new();
        proc.process(60, 50, "bash", 10);
        let sockets = sockets(&[]);
        let view = View {
            proc_root: proc.root(),
            sockets: &sockets,
        };
        assert!(find(view, 60, 0).is_err());
    }
}
