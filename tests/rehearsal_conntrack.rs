//! Asking about tracked connections, in namespaces of the tests' own.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, not only tests

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use safe_apply::exec::Run;
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::conntrack::{self, ASSURED, DST_NAT, SEEN_REPLY};
use safe_apply::rehearsal::{Flow, Protocol};

const TRACKED: &str = "
table inet t {
  chain pre {
    type filter hook output priority -150
    ct state new ct mark set 7
  }
  chain nat {
    type nat hook output priority -100
    tcp dport 2200 redirect to :22
  }
}
";

/// Does `work` in a namespace with `lo` and `rules`.
fn with<T: Send>(rules: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = NetNs::host_like(&std::collections::BTreeSet::new()).unwrap();
    let done = namespace.enter(|| {
        let nft = Run::tool("nft").unwrap().args(["-f", "-"]).stdin(rules);
        nft.success().unwrap();
        work()
    });
    done.unwrap()
}

fn flow(protocol: Protocol, source: SocketAddr, destination: SocketAddr) -> Flow {
    Flow {
        protocol,
        source,
        destination,
    }
}

/// A connection to port 2200 that arrives at port 22: the client's end, the server's end.
fn redirected(address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((address, 22)).unwrap();
    let client = TcpStream::connect((address, 2200)).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn a_socket_finds_what_its_peer_dialled() {
    for address in ["127.0.0.1", "::1"] {
        let (entry, client) = with(TRACKED, || {
            let (_client, server) = redirected(address);
            let [here, there] = [server.local_addr().unwrap(), server.peer_addr().unwrap()];
            let asked = flow(Protocol::Tcp, here, there);
            (conntrack::lookup(&asked).unwrap().unwrap(), there)
        });
        let [dialled, arrived] = [2200, 22].map(|port| SocketAddr::new(client.ip(), port));
        assert_eq!(entry.original, flow(Protocol::Tcp, client, dialled));
        assert_eq!(entry.reply, flow(Protocol::Tcp, arrived, client));
        assert_eq!(entry.mark, 7);
        assert_eq!(entry.tcp_state, Some(3));
        assert_eq!(entry.status & (DST_NAT | SEEN_REPLY), DST_NAT | SEEN_REPLY);
    }
}

#[test]
fn the_dialling_side_finds_it_as_well() {
    with(TRACKED, || {
        let (client, _server) = redirected("127.0.0.1");
        let [here, there] = [client.local_addr().unwrap(), client.peer_addr().unwrap()];
        let entry = conntrack::lookup(&flow(Protocol::Tcp, here, there))
            .unwrap()
            .unwrap();
        assert_eq!(entry.original.destination.port(), 2200);
        assert_eq!(entry.status & ASSURED, ASSURED);
    });
}

#[test]
fn ipv4_of_an_ipv6_socket_is_found() {
    with(TRACKED, || {
        let listener = TcpListener::bind("[::]:22").unwrap();
        let _client = TcpStream::connect("127.0.0.1:2200").unwrap();
        let (server, there) = listener.accept().unwrap();
        assert!(there.is_ipv6());
        let asked = flow(Protocol::Tcp, server.local_addr().unwrap(), there);
        assert!(conntrack::lookup(&asked).unwrap().is_some());
    });
}

#[test]
fn marks_are_set_and_connections_forgotten() {
    with(TRACKED, || {
        let (_client, server) = redirected("127.0.0.1");
        let asked = flow(
            Protocol::Tcp,
            server.local_addr().unwrap(),
            server.peer_addr().unwrap(),
        );
        assert!(conntrack::set_mark(&asked, 0xfeed_beef).unwrap());
        let marked = conntrack::lookup(&asked).unwrap().unwrap();
        assert_eq!(marked.mark, 0xfeed_beef);
        assert_eq!(marked.original.destination.port(), 2200);
        assert!(conntrack::delete(&asked).unwrap());
        assert_eq!(conntrack::lookup(&asked).unwrap(), None);
        assert!(!conntrack::delete(&asked).unwrap());
        assert!(!conntrack::set_mark(&asked, 1).unwrap());
    });
}

#[test]
fn datagrams_are_tracked_too() {
    with(TRACKED, || {
        let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [here, there] = [&one, &other].map(|socket| socket.local_addr().unwrap());
        one.send_to(b"?", there).unwrap();
        let entry = conntrack::lookup(&flow(Protocol::Udp, here, there))
            .unwrap()
            .unwrap();
        assert_eq!(entry.original, flow(Protocol::Udp, here, there));
        assert_eq!(entry.tcp_state, None);
        assert_eq!(entry.status & SEEN_REPLY, 0);
        // The same ports over TCP are another connection.
        assert_eq!(
            conntrack::lookup(&flow(Protocol::Tcp, here, there)).unwrap(),
            None
        );
    });
}

#[test]
fn labels_are_read() {
    let rules = "
table ip t {
  chain c {
    type filter hook output priority 0
    ct label set 5
  }
}
";
    with(rules, || {
        let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [here, there] = [&one, &other].map(|socket| socket.local_addr().unwrap());
        one.send_to(b"?", there).unwrap();
        let entry = conntrack::lookup(&flow(Protocol::Udp, here, there))
            .unwrap()
            .unwrap();
        assert_eq!(entry.labels.len(), 16);
        assert_eq!(entry.labels[0], 1 << 5);
    });
}

#[test]
fn asking_does_not_start_tracking() {
    with("table ip t { }\n", || {
        let connect = || {
            let listener = TcpListener::bind("127.0.0.1:22").unwrap();
            let client = TcpStream::connect("127.0.0.1:22").unwrap();
            let (server, there) = listener.accept().unwrap();
            (
                client,
                flow(Protocol::Tcp, server.local_addr().unwrap(), there),
            )
        };
        let (client, asked) = connect();
        assert_eq!(conntrack::lookup(&asked).unwrap(), None);
        assert!(!conntrack::delete(&asked).unwrap());
        assert!(!conntrack::set_mark(&asked, 1).unwrap());
        drop(client);
        let (_client, asked) = connect();
        assert_eq!(conntrack::lookup(&asked).unwrap(), None);
        let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
        assert_eq!(count.unwrap().trim(), "0");
    });
}

#[test]
fn what_has_no_ports_is_not_found() {
    with(TRACKED, || {
        let end: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(
            conntrack::lookup(&flow(Protocol::Icmp, end, end)).unwrap(),
            None
        );
        let other: SocketAddr = "[::1]:22".parse().unwrap();
        assert_eq!(
            conntrack::lookup(&flow(Protocol::Tcp, end, other)).unwrap(),
            None
        );
    });
}
