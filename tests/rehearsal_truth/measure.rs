//! Looking at what is really open.

use std::net::SocketAddr;
use std::time::Duration;

use safe_apply::rehearsal::report::{Direction, Peer, Row};

use crate::case::Case;
use crate::lab::{Lab, feed};
use crate::probe::{Question, Seen};
use crate::session::{Session, login};
use crate::truth::Manner;

/// What real connections saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The session that was open before; `None` when the rules did not change.
    pub session: Option<Seen>,
    pub login: Seen,
    /// For each row of the report.
    pub rows: Vec<Seen>,
}

/// Sees what there is to see: the old session, then the user's new login, then all others.
pub fn measure(
    lab: &Lab,
    case: &Case,
    session: Option<&mut Session>,
    rows: &[Row],
    manner: Manner,
) -> Truth {
    lab.refuse_without_limit();
    forget_neighbours(lab);
    let session = session.map(|session| session.alive(lab, manner.first, manner.patience));
    forget_neighbours(lab);
    let login = login(lab, manner.front, case.user, case.server, manner.patience);
    let rows = see(lab, rows, manner.patience);
    Truth {
        session,
        login,
        rows,
    }
}

/// Asks what all rows ask, at once.
pub fn see(lab: &Lab, rows: &[Row], patience: Duration) -> Vec<Seen> {
    lab.refuse_without_limit();
    for row in rows {
        if row.direction == Direction::Out && !row.peer_address.is_loopback() {
            let peer = SocketAddr::new(row.peer_address, row.port);
            lab.listen_outside(row.protocol, peer);
        }
    }
    let questions: Vec<_> = rows.iter().map(question).collect();
    forget_neighbours(lab);
    lab.ask(&questions, patience)
}

/// They are forgotten within minutes anyhow; and a search for one that fails takes three
/// seconds, after which those who ask are told that there is no way, which is no answer.
pub fn forget_neighbours(lab: &Lab) {
    let forget = || {
        let mut command = std::process::Command::new("ip");
        feed(command.args(["neighbour", "flush", "all"]), "").unwrap();
    };
    forget();
    lab.in_world(forget);
}

/// What a row asks, as a real connection.
fn question(row: &Row) -> Question {
    let inward = row.direction == Direction::In && row.peer != Peer::Loopback;
    Question {
        protocol: row.protocol,
        inward,
        from: inward.then_some(row.peer_address),
        to: match row.direction {
            Direction::In => SocketAddr::new(row.local, row.port),
            Direction::Out => SocketAddr::new(row.peer_address, row.port),
        },
    }
}
