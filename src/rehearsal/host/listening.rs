//! The sockets that wait for others (`sock_diag(7)`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use super::Listening;
use super::client_ports::ClientPorts;
use super::programs::{self, Programs};
use crate::connection::diag::{self, CLOSE, IPPROTO_TCP, IPPROTO_UDP, LISTEN, Waiting};
use crate::rehearsal::Protocol;

/// TCP sockets that listen and UDP sockets that are not connected, one of each kind, by port.
/// UDP sockets that a program holds at a port which the kernel gives to clients are named
/// in `left_out`: most wait for an answer, not for others. Those of the kernel itself, such
/// as tunnels, are held by nobody and stay. An IPv6 link-local address is good on the
/// interface that its socket is bound to.
pub(super) fn read(
    proc_root: &Path,
    sysctls: &BTreeMap<String, String>,
    left_out: &mut Vec<String>,
) -> Vec<Listening> {
    let mut sockets = Vec::new();
    for (protocol, number, state) in [
        (Protocol::Tcp, IPPROTO_TCP, LISTEN),
        (Protocol::Udp, IPPROTO_UDP, CLOSE),
    ] {
        match diag::waiting(number, state) {
            Ok(found) => sockets.extend(found.into_iter().map(|one| (protocol, one))),
            Err(error) => left_out.push(format!(
                "what listens on {protocol} (kernel module {protocol}_diag): {error}"
            )),
        }
    }
    let inodes: BTreeSet<u64> = sockets.iter().map(|(_, one)| one.socket.inode).collect();
    let programs = programs::find(proc_root, inodes);
    // Clients come and go: one that is closed by now had nobody to hold it, either.
    let left = diag::waiting(IPPROTO_UDP, CLOSE).unwrap_or_default();
    let lasting: BTreeSet<u64> = left.iter().map(|one| one.socket.cookie).collect();
    let kernels_own = |one: &Waiting| {
        let held = programs.names.contains_key(&one.socket.inode);
        programs.complete && !held && lasting.contains(&one.socket.cookie)
    };
    let clients = ClientPorts::new(sysctls);
    select(sockets, &programs, &clients, kernels_own, left_out)
}

fn select(
    sockets: Vec<(Protocol, Waiting)>,
    programs: &Programs,
    clients: &ClientPorts,
    kernels_own: impl Fn(&Waiting) -> bool,
    left_out: &mut Vec<String>,
) -> Vec<Listening> {
    let mut found: BTreeMap<(u16, Protocol, SocketAddr, u32, bool), Listening> = BTreeMap::new();
    let mut waiting = BTreeSet::new();
    let mut nameless = false;
    for (protocol, one) in sockets {
        let address = one.socket.tuple.local;
        if address.port() == 0 {
            continue;
        }
        let by_client = protocol == Protocol::Udp && clients.contain(address.port());
        if by_client && !kernels_own(&one) {
            let program = programs.names.get(&one.socket.inode);
            waiting.insert((address.port(), program.map(String::as_str)));
            continue;
        }
        let Waiting {
            socket,
            interface,
            v6_only,
        } = one;
        let program = programs.names.get(&socket.inode).cloned();
        nameless |= program.is_none() && !programs.complete;
        let key = (address.port(), protocol, address, interface, v6_only);
        let listening = Listening {
            protocol,
            address,
            v6_only,
            device: (interface != 0).then_some(interface),
            uid: socket.uid,
            program,
        };
        // Several may share a port (SO_REUSEPORT).
        let known = found.entry(key).or_insert_with(|| listening.clone());
        if known.program.is_none() {
            *known = listening;
        }
    }
    left_out.extend(clients.words(&waiting));
    if nameless {
        left_out.push(
            "the names of some programs that listen: not permitted to look at their processes"
                .to_owned(),
        );
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::{ClientPorts, select};
    use crate::connection::diag::Waiting;
    use crate::connection::{Connection, Tuple};
    use crate::rehearsal::Protocol::{self, Tcp, Udp};
    use crate::rehearsal::host::programs::Programs;
    use std::collections::BTreeMap;

    fn socket(protocol: Protocol, local: &str, inode: u64) -> (Protocol, Waiting) {
        let socket = Connection {
            tuple: Tuple::new(local.parse().unwrap(), "0.0.0.0:0".parse().unwrap()),
            cookie: 1,
            inode,
            state: 7,
            uid: 0,
        };
        let waiting = Waiting {
            socket,
            interface: 0,
            v6_only: false,
        };
        (protocol, waiting)
    }

    fn programs(complete: bool) -> Programs {
        let names = BTreeMap::from([(1, "one".to_owned()), (2, "two".to_owned())]);
        Programs { names, complete }
    }

    fn clients() -> ClientPorts {
        ClientPorts::new(&BTreeMap::new())
    }

    #[test]
    fn sockets_that_wait_for_answers_are_named() {
        let sockets = || {
            vec![
                socket(Udp, "0.0.0.0:40000", 1),
                socket(Udp, "[::]:40001", 2),
                socket(Udp, "0.0.0.0:51820", 3),
                socket(Tcp, "0.0.0.0:40000", 1),
                socket(Udp, "0.0.0.0:53", 1),
                socket(Udp, "0.0.0.0:0", 1),
            ]
        };
        let ports = |found: &[super::Listening]| {
            let all = found.iter().map(|one| (one.protocol, one.address.port()));
            all.collect::<Vec<_>>()
        };
        let mut left_out = Vec::new();
        let of_kernel = |one: &Waiting| one.socket.inode == 3;
        let found = select(
            sockets(),
            &programs(true),
            &clients(),
            of_kernel,
            &mut left_out,
        );
        assert_eq!(ports(&found), [(Udp, 53), (Tcp, 40000), (Udp, 51820)]);
        let named = "udp/40000 (one), udp/40001 (two): ports that clients use too (32768 to 60999)";
        assert_eq!(left_out, [named]);
        left_out.clear();
        let found = select(
            sockets(),
            &programs(true),
            &clients(),
            |_| false,
            &mut left_out,
        );
        assert_eq!(ports(&found), [(Udp, 53), (Tcp, 40000)]);
        assert!(
            left_out[0].contains("udp/40001 (two), udp/51820: "),
            "{left_out:?}"
        );
        left_out.clear();
        let many = (0..7).map(|one| socket(Udp, &format!("0.0.0.0:5000{one}"), 9));
        select(
            many.collect(),
            &programs(true),
            &clients(),
            |_| false,
            &mut left_out,
        );
        assert!(
            left_out[0].contains("udp/50004 and 2 more: "),
            "{left_out:?}"
        );
    }

    #[test]
    fn sockets_that_share_a_port_are_one() {
        let sockets = vec![
            socket(Tcp, "[::]:80", 9),
            socket(Tcp, "[::]:80", 2),
            socket(Tcp, "0.0.0.0:80", 1),
        ];
        let mut left_out = Vec::new();
        let found = select(
            sockets,
            &programs(true),
            &clients(),
            |_| false,
            &mut left_out,
        );
        let all: Vec<_> = found
            .iter()
            .map(|one| (one.address.to_string(), one.program.as_deref()))
            .collect();
        assert_eq!(
            all,
            [
                ("0.0.0.0:80".to_owned(), Some("one")),
                ("[::]:80".to_owned(), Some("two"))
            ]
        );
        assert!(left_out.is_empty());
    }

    #[test]
    fn names_that_could_not_be_found_are_told() {
        let mut left_out = Vec::new();
        let sockets = vec![socket(Tcp, "0.0.0.0:80", 9)];
        let found = select(
            sockets,
            &programs(false),
            &clients(),
            |_| false,
            &mut left_out,
        );
        assert_eq!(found[0].program, None);
        assert!(left_out[0].contains("not permitted"), "{left_out:?}");
    }
}
