//! Is a login new? The rule itself, without I/O.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::session::Login;
use super::{Known, Tuple};

/// `/proc/PID/stat` rounds start times down to the clock tick (`USER_HZ`, 100 per second). The
/// doubt is settled in favour of the login, since its connection is known to be new.
const START_GRAIN_MS: u64 = 10;

/// What a login proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It came in after the rules went live.
    New {
        tuple: Tuple,
        opened_after: Duration,
    },
    /// It is the one that applied the rules.
    Applying(Tuple),
    /// Its connection existed when the rules went live.
    OldConnection(Tuple),
    /// Its connection is not on record, but its process is older than the record.
    OldProcess(Tuple),
    /// It came from this host.
    Local(Tuple),
}

/// Judges `login` by the record made when the rules went live, the connection of
/// the applying session, and this host's own addresses.
///
/// All of its connections from elsewhere have to be new: besides its own, an ssh
/// session holds those of ports that it forwards, and which is which cannot be seen.
pub(super) fn assess(
    login: &Login,
    known: &Known,
    applying: Option<&Tuple>,
    own: &BTreeSet<IpAddr>,
) -> Option<Standing> {
    let (local, remote): (Vec<_>, Vec<_>) = login
        .inbound
        .iter()
        .partition(|one| one.tuple.is_within_host(own));
    let Some(first) = remote.first() else {
        return local.first().map(|one| Standing::Local(one.tuple));
    };
    if let Some(old) = remote.iter().find(|one| known.contains(one)) {
        return Some(if applying == Some(&old.tuple) {
            Standing::Applying(old.tuple)
        } else {
            Standing::OldConnection(old.tuple)
        });
    }
    if login.started_ms + START_GRAIN_MS <= known.boottime_ms {
        return Some(Standing::OldProcess(first.tuple));
    }
    let after_ms = login.started_ms.saturating_sub(known.boottime_ms);
    Some(Standing::New {
        tuple: first.tuple,
        opened_after: Duration::from_millis(after_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::{Standing, assess};
    use crate::connection::fake::connection;
    use crate::connection::session::Login;
    use crate::connection::{Connection, Known};
    use std::collections::BTreeSet;
    use std::time::Duration;

    const HERE: &str = "192.0.2.1:22";

    fn old() -> Connection {
        connection(HERE, "192.0.2.9:5000", 70, 700)
    }

    fn new() -> Connection {
        connection(HERE, "192.0.2.9:5001", 71, 701)
    }

    fn standing(
        inbound: &[Connection],
        started_ms: u64,
        applying: Option<&Connection>,
    ) -> Standing {
        let login = Login {
            inbound: inbound.to_vec(),
            started_ms,
        };
        let known = Known::of(&[old()], 1000);
        let own = BTreeSet::from(["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()]);
        let applying = applying.map(|one| &one.tuple);
        assess(&login, &known, applying, &own).unwrap()
    }

    #[test]
    fn a_new_connection_is_new() {
        let expected = Standing::New {
            tuple: new().tuple,
            opened_after: Duration::from_millis(234),
        };
        assert_eq!(standing(&[new()], 1234, None), expected);
    }

    #[test]
    fn a_known_connection_is_old_however_young_its_process() {
        assert_eq!(
            standing(&[old()], 5000, None),
            Standing::OldConnection(old().tuple)
        );
        assert_eq!(
            standing(&[old()], 5000, Some(&old())),
            Standing::Applying(old().tuple)
        );
    }

    #[test]
    fn an_unknown_connection_of_an_old_process_is_not_new() {
        assert_eq!(
            standing(&[new()], 990, None),
            Standing::OldProcess(new().tuple)
        );
    }

    #[test]
    fn a_login_within_the_same_clock_tick_is_new() {
        let expected = Standing::New {
            tuple: new().tuple,
            opened_after: Duration::ZERO,
        };
        assert_eq!(standing(&[new()], 991, None), expected);
    }

    #[test]
    fn a_reused_port_is_new_with_a_new_cookie_and_process() {
        let mut reused = old();
        reused.cookie = 99;
        let is_new = |standing| matches!(standing, Standing::New { .. });
        assert!(is_new(standing(&[reused.clone()], 1000, Some(&old()))));
        assert!(!is_new(standing(&[reused.clone()], 990, Some(&old()))));
        reused.cookie = 0;
        assert!(!is_new(standing(&[reused], 5000, None)));
    }

    #[test]
    fn one_old_connection_spoils_the_login() {
        assert_eq!(
            standing(&[new(), old()], 5000, None),
            Standing::OldConnection(old().tuple)
        );
    }

    #[test]
    fn connections_within_the_host_prove_nothing() {
        let local = connection(HERE, "192.0.2.2:5002", 72, 702);
        assert_eq!(
            standing(std::slice::from_ref(&local), 5000, None),
            Standing::Local(local.tuple)
        );
        let with_forward = standing(&[local, new()], 5000, None);
        assert!(matches!(with_forward, Standing::New { tuple, .. } if tuple == new().tuple));
    }

    #[test]
    fn no_connection_is_no_standing() {
        let login = Login {
            inbound: Vec::new(),
            started_ms: 5000,
        };
        assert_eq!(
            assess(&login, &Known::default(), None, &BTreeSet::new()),
            None
        );
    }
}
