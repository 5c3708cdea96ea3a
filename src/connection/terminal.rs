//! tmux and screen: which logins are attached to the server that a process runs in.
//!
//! The server, its panes' environment and cgroup all point at the login that once
//! started it, so what counts is who is attached now. With several attached nobody can
//! tell who typed; but one of them having come in over a new connection is proof enough
//! that a new login gets through, which is all that a confirmation has to prove.

use std::collections::BTreeSet;
use std::io;

use super::Via;
use super::process::{self, Process};
use super::session::{Login, MAX_NESTING, Place, View, find};

/// Whether `process` is the server side of a multiplexer, and of which.
///
/// tmux renames its server; screen writes over the first argument of its (`SCREEN -S …`).
pub(super) fn multiplexer(process: &Process) -> Option<Via> {
    if process.comm.starts_with("tmux: server") {
        return Some(Via::Tmux);
    }
    is_screen_server(process).then_some(Via::Screen)
}

fn is_screen_server(process: &Process) -> bool {
    process.comm.starts_with("screen")
        && process
            .title()
            .is_some_and(|title| title.contains("SCREEN"))
}

/// The logins that are attached to `server`.
///
/// # Errors
/// When the server cannot be looked at; clients that cannot are left out.
pub(super) fn attached(
    view: View<'_>,
    server: &Process,
    via: Via,
    nesting: u32,
) -> io::Result<Vec<Login>> {
    if nesting >= MAX_NESTING {
        return Ok(Vec::new());
    }
    let clients = match via {
        Via::Tmux => tmux_clients(view, server)?,
        Via::Screen => screen_clients(view, server)?,
        Via::Ssh | Via::Evidence | Via::None => Vec::new(),
    };
    let places = clients
        .iter()
        .filter_map(|pid| find(view, *pid, nesting + 1).ok());
    Ok(places.flat_map(|found| logins(found.place)).collect())
}

fn logins(place: Place) -> Vec<Login> {
    match place {
        Place::Login(login) => vec![login],
        Place::Terminal { attached, .. } => attached,
        Place::Nowhere => Vec::new(),
    }
}

/// tmux clients stay connected to the server's Unix socket.
fn tmux_clients(view: View<'_>, server: &Process) -> io::Result<Vec<i32>> {
    let peers = &view.sockets.unix_peers;
    let far_ends: BTreeSet<u64> = server
        .sockets()?
        .iter()
        .filter_map(|inode| peers.get(inode).copied())
        .collect();
    let is_client = |process: &Process| {
        process.comm.starts_with("tmux: client")
            && process
                .sockets()
                .is_ok_and(|held| !held.is_disjoint(&far_ends))
    };
    Ok(matching(view, is_client))
}

/// screen's server opens the terminals it is shown on itself; the client that
/// handed one over stays there, with it as its controlling terminal.
fn screen_clients(view: View<'_>, server: &Process) -> io::Result<Vec<i32>> {
    let shown_on = server.open_terminals()?;
    let is_client = |process: &Process| {
        process.comm.starts_with("screen")
            && !is_screen_server(process)
            && process
                .tty
                .as_ref()
                .is_some_and(|tty| shown_on.contains(tty))
    };
    Ok(matching(view, is_client))
}

fn matching(view: View<'_>, is_client: impl Fn(&Process) -> bool) -> Vec<i32> {
    let processes = process::all(view.proc_root).into_iter();
    processes
        .filter(is_client)
        .map(|process| process.pid)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::multiplexer;
    use crate::connection::Via;
    use crate::connection::fake::{Proc, connection};
    use crate::connection::session::{Place, View, find};
    use crate::connection::sockets::Sockets;
    use std::collections::BTreeMap;

    fn sockets() -> Sockets {
        Sockets {
            connections: vec![
                connection("192.0.2.1:22", "192.0.2.9:5000", 70, 70),
                connection("192.0.2.1:22", "192.0.2.9:5001", 71, 71),
            ],
            listening: [22].into(),
            unix_peers: BTreeMap::from([(900, 901), (901, 900), (902, 903), (903, 902)]),
            ..Sockets::default()
        }
    }

    fn attached(proc: &Proc, pid: i32) -> (Via, Vec<u64>) {
        let sockets = sockets();
        let view = View {
            proc_root: proc.root(),
            sockets: &sockets,
        };
        match find(view, pid, 0).unwrap().place {
            Place::Terminal { via, attached } => {
                let logins = attached.iter();
                (via, logins.map(|login| login.inbound[0].inode).collect())
            }
            other @ (Place::Login(_) | Place::Nowhere) => panic!("no multiplexer: {other:?}"),
        }
    }

    fn two_logins_and_a_tmux_server() -> Proc {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        proc.login(51, 61, 20, 71);
        // Even a server that never left the first login's process tree.
        proc.process(80, 60, "tmux: server", 11);
        proc.socket(80, 7, 900);
        proc.socket(80, 8, 902);
        proc.process(81, 80, "bash", 12);
        proc
    }

    #[test]
    fn the_attached_tmux_client_counts_not_the_starter() {
        let proc = two_logins_and_a_tmux_server();
        proc.process(90, 61, "tmux: client", 21);
        proc.socket(90, 6, 901);
        assert_eq!(attached(&proc, 81), (Via::Tmux, vec![71]));
    }

    #[test]
    fn a_client_of_another_tmux_server_does_not_count() {
        let proc = two_logins_and_a_tmux_server();
        proc.process(90, 61, "tmux: client", 21);
        proc.socket(90, 6, 999);
        assert_eq!(attached(&proc, 81), (Via::Tmux, vec![]));
    }

    #[test]
    fn the_terminal_that_screen_is_shown_on_counts() {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        proc.login(51, 61, 20, 71);
        proc.process(80, 1, "screen", 11);
        proc.title(80, "SCREEN");
        proc.open(80, 3, "/dev/pts/5");
        proc.process(81, 80, "bash", 12);
        proc.process_on(90, 61, "screen", 21, 6);
        proc.process_on(91, 60, "screen", 21, 7);
        assert_eq!(attached(&proc, 81), (Via::Screen, vec![71]));
    }

    #[test]
    fn tmux_in_screen_is_followed_to_the_login() {
        let proc = two_logins_and_a_tmux_server();
        proc.process(85, 1, "screen", 11);
        proc.title(85, "SCREEN -S x");
        proc.open(85, 3, "/dev/pts/5");
        proc.process_on(91, 61, "screen", 21, 6);
        proc.process(90, 85, "tmux: client", 21);
        proc.socket(90, 6, 901);
        assert_eq!(attached(&proc, 81), (Via::Tmux, vec![71]));
    }

    #[test]
    fn a_multiplexer_attached_to_itself_ends() {
        let proc = two_logins_and_a_tmux_server();
        proc.process(90, 81, "tmux: client", 21);
        proc.socket(90, 6, 901);
        assert_eq!(attached(&proc, 81), (Via::Tmux, vec![]));
    }

    #[test]
    fn the_client_side_is_no_multiplexer() {
        let proc = Proc::new();
        proc.process(90, 1, "screen", 1);
        proc.process(91, 1, "tmux: client", 1);
        let sockets = sockets();
        let view = View {
            proc_root: proc.root(),
            sockets: &sockets,
        };
        for pid in [90, 91] {
            let found = find(view, pid, 0).unwrap();
            assert_eq!(multiplexer(&found.outermost), None);
            assert_eq!(found.place, Place::Nowhere);
        }
    }
}
