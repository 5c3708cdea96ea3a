//! The connections that were there before.

use std::collections::BTreeSet;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::{Connection, Error, Tuple, diag};

/// All TCP connections that existed right after the new rules went live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    tuples: BTreeSet<Tuple>,
    cookies: BTreeSet<u64>,
    nameless: BTreeSet<Tuple>,
    /// When the record was complete, in milliseconds of `CLOCK_BOOTTIME`.
    pub boottime_ms: u64,
}

impl Known {
    /// Records the connections of the calling thread's network namespace, half-open ones included.
    ///
    /// # Errors
    /// [`Error::Connections`].
    pub fn record() -> Result<Self, Error> {
        // The kernel resumes a dump by position in a hash bucket, so that a socket which closes
        // meanwhile can hide its neighbour once; it is not hidden twice.
        let mut all = diag::current()?;
        all.extend(diag::current()?);
        Ok(Self::of(&all, boottime_ms()))
    }

    pub(super) fn of(connections: &[Connection], boottime_ms: u64) -> Self {
        let (nameless, named): (Vec<_>, Vec<_>) =
            connections.iter().partition(|one| one.cookie == 0);
        Self {
            tuples: connections.iter().map(|one| one.tuple).collect(),
            cookies: named.iter().map(|one| one.cookie).collect(),
            nameless: nameless.iter().map(|one| one.tuple).collect(),
            boottime_ms,
        }
    }

    /// Whether `connection` existed then. The cookie decides; where one is missing,
    /// then or now, addresses and ports do. Known addresses and ports under a new cookie are a new
    /// connection that reuses the port.
    #[must_use]
    pub fn contains(&self, connection: &Connection) -> bool {
        if connection.cookie == 0 {
            self.tuples.contains(&connection.tuple)
        } else {
            self.cookies.contains(&connection.cookie) || self.nameless.contains(&connection.tuple)
        }
    }
}

fn boottime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let millis = now.tv_sec * 1000 + now.tv_nsec / 1_000_000;
    u64::try_from(millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Known;
    use crate::connection::fake::connection;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_cookie_decides() {
        let old = connection("192.0.2.1:22", "192.0.2.9:5000", 7, 70);
        let known = Known::of(std::slice::from_ref(&old), 1000);
        assert!(known.contains(&old));
        let mut reused = old.clone();
        reused.cookie = 8;
        assert!(!known.contains(&reused));
        let mut nameless = old;
        nameless.cookie = 0;
        assert!(known.contains(&nameless));
    }

    #[test]
    fn a_socket_that_had_no_cookie_does_not_make_all_such_known() {
        let old = connection("192.0.2.1:22", "192.0.2.9:5000", 0, 70);
        let known = Known::of(&[old], 1000);
        assert!(!known.contains(&connection("192.0.2.1:22", "192.0.2.9:5001", 0, 71)));
        assert!(known.contains(&connection("192.0.2.1:22", "192.0.2.9:5000", 9, 70)));
    }

    #[test]
    fn survives_json() {
        let old = connection("192.0.2.1:22", "[2001:db8::9]:5000", u64::MAX - 1, 70);
        let known = Known::of(&[old], 1000);
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), known);
    }

    #[test]
    fn records_what_is_there_and_not_what_comes_later() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let _early = TcpStream::connect(here).unwrap();
        let known = Known::record().unwrap();
        let _late = TcpStream::connect(here).unwrap();
        let now = crate::connection::current().unwrap();
        let at_server = now.iter().filter(|one| one.tuple.local == here);
        let standing: Vec<_> = at_server.map(|one| known.contains(one)).collect();
        assert_eq!(standing.iter().filter(|old| **old).count(), 1);
        assert_eq!(standing.len(), 2);
        assert!(known.boottime_ms > 0);
    }
}
