//! Some new login to the same service, for confirmations that belong to no connection.

use super::assess::{Standing, assess};
use super::process::{self, Process};
use super::session::{View, is_ssh_server, login};
use super::{Known, Tuple};

/// The youngest login over ssh that was opened and authenticated after the rules went
/// live; only to the local port of `applying` where that is known.
pub(super) fn newest_login(
    view: View<'_>,
    known: &Known,
    applying: Option<&Tuple>,
) -> Option<Standing> {
    let processes = process::all(view.proc_root);
    let servers: Vec<&Process> = processes.iter().filter(|one| is_ssh_server(one)).collect();
    let sessions = servers
        .iter()
        .filter(|one| is_authenticated(one, &servers, &processes));
    let standings = sessions.filter_map(|session| {
        let above = servers.iter().find(|one| one.pid == session.parent);
        let chain: Vec<Process> = [Some(session), above]
            .into_iter()
            .flatten()
            .map(|one| (*one).clone())
            .collect();
        let login = login(view, &chain, true).ok()??;
        assess(&login, known, applying, &view.sockets.own)
    });
    let new = standings.filter_map(|standing| match standing {
        Standing::New {
            tuple,
            opened_after,
        } => {
            let same_service = applying.is_none_or(|one| one.local.port() == tuple.local.port());
            same_service.then_some((opened_after, tuple))
        }
        Standing::Applying(_)
        | Standing::OldConnection(_)
        | Standing::OldProcess(_)
        | Standing::Local(_) => None,
    });
    let (opened_after, tuple) = new.max()?;
    Some(Standing::New {
        tuple,
        opened_after,
    })
}

/// Whether the ssh server `process` has let its user in.
///
/// Only processes of root, or started by an ssh server of root's, are believed: others
/// could be anybody's program of that name.
fn is_authenticated(process: &Process, servers: &[&Process], all: &[Process]) -> bool {
    let of_root = |one: &Process| one.uid() == Some(0);
    let above = servers.iter().find(|one| one.pid == process.parent);
    if !of_root(process) && !above.is_some_and(|one| of_root(one)) {
        return false;
    }
    if process.comm.starts_with("dropbear") {
        // It sets no title; its first child other than itself is the user's shell.
        return all
            .iter()
            .any(|one| one.parent == process.pid && !is_ssh_server(one));
    }
    process.title().is_some_and(|title| names_a_session(&title))
}

/// OpenSSH's title is `sshd: USER [net]`, `[priv]`, `[preauth]` or `[accepted]` before the
/// user is let in, and `sshd: USER@TERMINALS` (or `@notty`) in a session (`session_proctitle`
/// in `session.c`). USER may hold `@` itself.
fn names_a_session(title: &str) -> bool {
    let rest = ["sshd: ", "sshd-session: "]
        .iter()
        .find_map(|prefix| title.strip_prefix(prefix));
    let terminals = rest
        .and_then(|rest| rest.rsplit_once('@'))
        .map(|(_, terminals)| terminals);
    terminals.is_some_and(|terminals| {
        terminals == "notty"
            || terminals
                .split(',')
                .all(|one| one.starts_with("pts/") || one.starts_with("tty"))
    })
}

#[cfg(test)]
mod tests {
    use super::{names_a_session, newest_login};
    use crate::connection::Known;
    use crate::connection::assess::Standing;
    use crate::connection::fake::{Proc, connection};
    use crate::connection::session::View;
    use crate::connection::sockets::Sockets;

    #[test]
    fn titles_before_and_after_authentication() {
        for title in [
            "sshd: root@pts/0",
            "sshd: bob@notty",
            "sshd: bob@pts/0,pts/12",
            "sshd-session: bob@pts/3",
            "sshd: bob@example.org@pts/3",
        ] {
            assert!(names_a_session(title), "{title}");
        }
        for title in [
            "sshd: bob [priv]",
            "sshd: bob [net]",
            "sshd: [accepted]",
            "sshd-session: unknown [preauth]",
            "sshd: bob@example.org [priv]",
            "sshd: bob",
            "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
            "-bash",
            "bob@pts/0",
        ] {
            assert!(!names_a_session(title), "{title}");
        }
    }

    fn evidence(proc: &Proc, port: Option<u16>) -> Option<u64> {
        let sockets = Sockets {
            connections: vec![
                connection("192.0.2.1:22", "192.0.2.9:5000", 70, 70),
                connection("192.0.2.1:22", "192.0.2.9:5001", 71, 71),
            ],
            listening: [22].into(),
            ..Sockets::default()
        };
        let known = Known::of(&sockets.connections[..1], 15_000);
        let applying = port.map(|port| {
            let local = format!("192.0.2.1:{port}");
            connection(&local, "192.0.2.9:4000", 1, 1).tuple
        });
        let view = View {
            proc_root: proc.root(),
            sockets: &sockets,
        };
        match newest_login(view, &known, applying.as_ref())? {
            Standing::New { opened_after, .. } => Some(opened_after.as_secs()),
            other @ (Standing::Applying(_)
            | Standing::OldConnection(_)
            | Standing::OldProcess(_)
            | Standing::Local(_)) => panic!("not new: {other:?}"),
        }
    }

    #[test]
    fn a_new_session_is_evidence_an_old_one_is_not() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        assert_eq!(evidence(&proc, None), None);
        proc.login(51, 61, 20, 71);
        assert_eq!(evidence(&proc, None), Some(5));
        assert_eq!(evidence(&proc, Some(22)), Some(5));
    }

    #[test]
    fn another_service_is_no_evidence() {
        let proc = Proc::new();
        proc.login(51, 61, 20, 71);
        assert_eq!(evidence(&proc, Some(2222)), None);
    }

    #[test]
    fn an_unauthenticated_connection_is_no_evidence() {
        let proc = Proc::new();
        proc.login(51, 61, 20, 71);
        proc.title(51, "sshd: root [priv]");
        assert_eq!(evidence(&proc, None), None);
    }

    #[test]
    fn a_users_own_program_called_sshd_is_no_evidence() {
        let proc = Proc::new();
        proc.login(51, 61, 20, 71);
        proc.uid(51, 1000);
        assert_eq!(evidence(&proc, None), None);
        proc.process(40, 1, "sshd", 20);
        proc.program(40, "/usr/sbin/sshd");
        proc.process(51, 40, "sshd", 21);
        proc.program(51, "/usr/sbin/sshd");
        proc.title(51, "sshd: bob@pts/0");
        proc.uid(51, 1000);
        assert_eq!(evidence(&proc, None), Some(6));
    }

    #[test]
    fn a_program_with_a_borrowed_title_is_no_evidence() {
        let proc = Proc::new();
        proc.login(51, 61, 20, 71);
        proc.program(51, "/usr/bin/perl");
        assert_eq!(evidence(&proc, None), None);
    }

    #[test]
    fn dropbear_has_let_the_user_in_once_there_is_a_shell() {
        let proc = Proc::new();
        proc.process(51, 1, "dropbear", 20);
        proc.program(51, "/usr/sbin/dropbear");
        proc.socket(51, 4, 71);
        assert_eq!(evidence(&proc, None), None);
        proc.process(61, 51, "ash", 21);
        assert_eq!(evidence(&proc, None), Some(5));
    }
}
