//! The verdict on a confirmation.

use std::path::Path;

use super::assess::{Standing, assess};
use super::evidence::newest_login;
use super::session::{Login, Place, View, find};
use super::sockets::Sockets;
use super::{Error, Known, Refusal, Tuple, Verdict, Via};

/// Judges whether process `pid` speaks for a connection that was opened after `known` was recorded.
///
/// `applying` is the connection of the session that applied the rules. The sockets are
/// those of the calling thread's network namespace; `proc_root` is `/proc`. The caller
/// has to know that `pid` still is whom it means, as by the open socket that told it.
///
/// # Errors
/// When the kernel does not list its sockets or addresses; that is no acceptance.
pub fn judge(
    proc_root: &Path,
    pid: i32,
    known: &Known,
    applying: Option<&Tuple>,
) -> Result<Verdict, Error> {
    let sockets = Sockets::read()?;
    let view = View {
        proc_root,
        sockets: &sockets,
    };
    Ok(judge_in(view, pid, known, applying))
}

fn judge_in(view: View<'_>, pid: i32, known: &Known, applying: Option<&Tuple>) -> Verdict {
    let Ok(found) = find(view, pid, 0) else {
        return Verdict::Refused(Refusal::Unreadable { pid });
    };
    let standing = |login: &Login| assess(login, known, applying, &view.sockets.own);
    let ruling = match found.place {
        Place::Login(login) => standing(&login).map(|standing| of_login(standing, Via::Ssh)),
        Place::Terminal { via, attached } => {
            of_terminal(via, attached.iter().filter_map(standing).collect())
        }
        Place::Nowhere => None,
    };
    let evidence = || newest_login(view, known, applying);
    ruling
        .or_else(|| Some(of_login(evidence()?, Via::Evidence)))
        .unwrap_or(Verdict::Refused(Refusal::NoConnection))
}

fn of_login(standing: Standing, via: Via) -> Verdict {
    Verdict::Refused(match standing {
        Standing::New {
            tuple,
            opened_after,
        } => {
            return Verdict::New {
                connection: tuple,
                via,
                opened_after,
            };
        }
        Standing::Applying(tuple) => Refusal::ApplyingSession { tuple },
        Standing::OldConnection(tuple) => Refusal::OldConnection { tuple },
        Standing::OldProcess(tuple) => Refusal::OldProcess { tuple },
        Standing::Local(tuple) => Refusal::FromThisHost { tuple },
    })
}

/// One new login among those attached is enough (see [`super::terminal`]); none at all leaves
/// the matter open.
fn of_terminal(via: Via, mut attached: Vec<Standing>) -> Option<Verdict> {
    attached.sort_by_key(|standing| match standing {
        Standing::New { .. } => 0,
        Standing::Applying(_) | Standing::OldConnection(_) | Standing::OldProcess(_) => 1,
        Standing::Local(_) => 2,
    });
    Some(match *attached.first()? {
        Standing::Applying(tuple)
        | Standing::OldConnection(tuple)
        | Standing::OldProcess(tuple) => Verdict::Refused(Refusal::OldTerminal { via, tuple }),
        new @ Standing::New { .. } => of_login(new, via),
        local @ Standing::Local(_) => of_login(local, via),
    })
}

#[cfg(test)]
mod tests {
    use super::{judge, judge_in};
    use crate::connection::fake::{Proc, connection};
    use crate::connection::session::View;
    use crate::connection::sockets::Sockets;
    use crate::connection::{Connection, Known, Refusal, Tuple, Verdict, Via};
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::Duration;

    fn old() -> Connection {
        connection("192.0.2.1:22", "192.0.2.9:5000", 70, 70)
    }

    fn new() -> Connection {
        connection("192.0.2.1:22", "192.0.2.9:5001", 71, 71)
    }

    fn ruling(proc: &Proc, pid: i32, applying: Option<&Tuple>) -> Verdict {
        let sockets = Sockets {
            connections: vec![old(), new()],
            listening: [22].into(),
            unix_peers: BTreeMap::from([(900, 901), (902, 903)]),
            ..Sockets::default()
        };
        let view = View {
            proc_root: proc.root(),
            sockets: &sockets,
        };
        judge_in(view, pid, &Known::of(&[old()], 15_000), applying)
    }

    fn accepted(via: Via, seconds: u64) -> Verdict {
        let opened_after = Duration::from_secs(seconds);
        Verdict::New {
            connection: new().tuple,
            via,
            opened_after,
        }
    }

    fn two_logins() -> Proc {
        let proc = Proc::new();
        proc.login(50, 60, 10, 70);
        proc.login(51, 61, 20, 71);
        proc
    }

    #[test]
    fn logins_are_told_apart() {
        let proc = two_logins();
        let tuple = old().tuple;
        assert_eq!(ruling(&proc, 61, None), accepted(Via::Ssh, 5));
        assert_eq!(
            ruling(&proc, 60, None),
            Verdict::Refused(Refusal::OldConnection { tuple })
        );
        let applying = Verdict::Refused(Refusal::ApplyingSession { tuple });
        assert_eq!(ruling(&proc, 60, Some(&tuple)), applying);
    }

    #[test]
    fn a_process_cut_off_from_its_login_needs_evidence() {
        let proc = two_logins();
        proc.process(99, 1, "safe-apply", 30);
        assert_eq!(ruling(&proc, 99, None), accepted(Via::Evidence, 5));
        proc.title(51, "sshd: root [priv]");
        assert_eq!(
            ruling(&proc, 99, None),
            Verdict::Refused(Refusal::NoConnection)
        );
    }

    #[test]
    fn an_old_tmux_client_is_refused_whatever_else_is_new() {
        let proc = two_logins();
        proc.process(80, 1, "tmux: server", 11);
        proc.socket(80, 7, 900);
        proc.socket(80, 8, 902);
        proc.process(81, 80, "bash", 12);
        proc.process(90, 60, "tmux: client", 11);
        proc.socket(90, 6, 901);
        let tuple = old().tuple;
        let refused = Refusal::OldTerminal {
            via: Via::Tmux,
            tuple,
        };
        assert_eq!(ruling(&proc, 81, None), Verdict::Refused(refused));
        proc.process(91, 61, "tmux: client", 21);
        proc.socket(91, 6, 903);
        assert_eq!(ruling(&proc, 81, None), accepted(Via::Tmux, 5));
    }

    #[test]
    fn a_detached_tmux_needs_evidence() {
        let proc = two_logins();
        proc.process(80, 1, "tmux: server", 11);
        proc.process(81, 80, "bash", 12);
        assert_eq!(ruling(&proc, 81, None), accepted(Via::Evidence, 5));
    }

    #[test]
    fn a_process_that_is_gone_is_refused() {
        let refused = |pid| Verdict::Refused(Refusal::Unreadable { pid });
        let proc = two_logins();
        for pid in [99, 1, 0, -1] {
            assert_eq!(ruling(&proc, pid, None), refused(pid));
        }
        let nowhere = Path::new("/nonexistent");
        assert_eq!(
            judge(nowhere, 5, &Known::default(), None).unwrap(),
            refused(5)
        );
    }
}
