//! Who runs a process, and from where.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::process::Process;
use super::session::{Found, Login, Place, View, find};
use super::sockets::Sockets;
use super::{Tuple, Via};
use crate::accounts::user_name;

/// The session that a process belongs to. What cannot be found out is left empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The connection that it came in over.
    pub tuple: Option<Tuple>,
    /// Who logged in: the owner of the session's first process, else `SUDO_USER`,
    /// else the owner of the process itself.
    pub user: Option<String>,
    /// Whether sudo lies between the login and the process.
    pub sudo: bool,
    /// The controlling terminal, such as `/dev/pts/3`.
    pub tty: Option<String>,
    /// How the connection was found.
    pub via: Via,
}

/// Finds the session of process `pid`; `proc_root` is `/proc`, the sockets are those of the
/// calling thread's network namespace. Sees other users' sessions only as root.
#[must_use]
pub fn origin(proc_root: &Path, pid: i32) -> Origin {
    let sockets = Sockets::read().unwrap_or_default();
    origin_in(
        View {
            proc_root,
            sockets: &sockets,
        },
        pid,
    )
}

fn origin_in(view: View<'_>, pid: i32) -> Origin {
    let process = Process::read(view.proc_root, pid).ok();
    let found = find(view, pid, 0).ok();
    let sudo_user = process
        .as_ref()
        .and_then(|process| process.variable("SUDO_USER"));
    let in_sudo = |found: &Found| found.inside.iter().any(|one| one.comm == "sudo");
    let (via, tuple) = found
        .as_ref()
        .map_or((Via::None, None), |found| from_where(&found.place));
    let logged_in = match via {
        Via::None => None,
        Via::Ssh | Via::Tmux | Via::Screen | Via::Evidence => found.as_ref(),
    };
    Origin {
        tuple,
        user: logged_in
            .and_then(|found| owner(&found.outermost))
            .or_else(|| sudo_user.clone())
            .or_else(|| owner(process.as_ref()?)),
        sudo: sudo_user.is_some() || found.as_ref().is_some_and(in_sudo),
        tty: process.and_then(|process| process.tty),
        via,
    }
}

fn from_where(place: &Place) -> (Via, Option<Tuple>) {
    let first = |login: &Login| login.inbound.first().map(|one| one.tuple);
    match place {
        Place::Login(login) => (Via::Ssh, first(login)),
        Place::Terminal { via, attached } => {
            let youngest = attached.iter().max_by_key(|login| login.started_ms);
            (*via, youngest.and_then(first))
        }
        Place::Nowhere => (Via::None, None),
    }
}

/// The name of the user that `process` belongs to, or the number where there is no name.
fn owner(process: &Process) -> Option<String> {
    let uid = process.uid()?;
    Some(user_name(uid).unwrap_or_else(|| uid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::origin_in;
    use crate::connection::Via;
    use crate::connection::fake::{Proc, connection};
    use crate::connection::session::View;
    use crate::connection::sockets::Sockets;

    fn of(proc: &Proc, pid: i32) -> super::Origin {
        let sockets = Sockets {
            connections: vec![connection("192.0.2.1:22", "192.0.2.9:5000", 70, 70)],
            listening: [22].into(),
            ..Sockets::default()
        };
        origin_in(
            View {
                proc_root: proc.root(),
                sockets: &sockets,
            },
            pid,
        )
    }

    #[test]
    fn the_login_user_is_found_through_sudo() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        // No account has this number, so that it stands for its name.
        proc.uid(60, 4_000_000_000);
        proc.process(61, 60, "sudo", 20);
        proc.process_on(62, 61, "safe-apply", 20, 4);
        let origin = of(&proc, 62);
        assert_eq!(origin.user.as_deref(), Some("4000000000"));
        assert_eq!(
            origin.tuple.unwrap().to_string(),
            "192.0.2.9:5000 -> 192.0.2.1:22"
        );
        assert_eq!(origin.tty.as_deref(), Some("/dev/pts/3"));
        assert!(origin.sudo);
        assert_eq!(origin.via, Via::Ssh);
    }

    #[test]
    fn a_console_names_whom_sudo_names() {
        let proc = Proc::new();
        proc.process(62, 1, "safe-apply", 20);
        proc.environ(62, "PATH=/bin\0SUDO_USER=carol\0");
        let origin = of(&proc, 62);
        assert_eq!(origin.user.as_deref(), Some("carol"));
        assert!(origin.sudo);
        assert_eq!((origin.tuple, origin.via), (None, Via::None));
    }

    #[test]
    fn without_sudo_the_owner_is_named() {
        let proc = Proc::new();
        proc.process(62, 1, "safe-apply", 20);
        let origin = of(&proc, 62);
        assert_eq!(origin.user.as_deref(), Some("root"));
        assert!(!origin.sudo);
    }

    #[test]
    fn a_process_that_is_gone_has_no_origin() {
        let origin = of(&Proc::new(), 62);
        assert_eq!((origin.tuple, origin.user, origin.tty), (None, None, None));
    }
}
