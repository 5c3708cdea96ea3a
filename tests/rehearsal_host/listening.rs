//! Sockets that wait for others.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::host::{Host, Listening};

use crate::{LOOPBACK, NETWORK, host, namespace, read};

/// A socket that waits at `address`, with options that `std` has not.
fn socket(kind: SocketType, address: &str, prepare: impl Fn(&OwnedFd)) -> OwnedFd {
    let address: SocketAddr = address.parse().unwrap();
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
    prepare(&socket);
    bind(&socket, &address).unwrap();
    if kind == SocketType::STREAM {
        listen(&socket, 8).unwrap();
    }
    socket
}

#[test]
fn what_waits_for_others_is_listed() {
    let namespace = namespace(NETWORK);
    let reuse = |fd: &OwnedFd| sockopt::set_socket_reuseport(fd, true).unwrap();
    let only = |fd: &OwnedFd| sockopt::set_ipv6_v6only(fd, true).unwrap();
    let wire = |fd: &OwnedFd| {
        nix::sys::socket::setsockopt(fd, nix::sys::socket::sockopt::BindToDevice, &"out0".into())
            .unwrap();
    };
    let sockets = || {
        let plain = |_: &OwnedFd| {};
        let listener = TcpListener::bind("192.0.2.2:22").unwrap();
        let client = std::net::TcpStream::connect("192.0.2.2:22").unwrap();
        let connected = UdpSocket::bind("192.0.2.2:1001").unwrap();
        connected.connect("192.0.2.9:53").unwrap();
        let all: Vec<OwnedFd> = vec![
            listener.into(),
            client.into(),
            connected.into(),
            socket(SocketType::STREAM, "[::]:80", plain),
            socket(SocketType::STREAM, "[::]:81", only),
            socket(SocketType::STREAM, "0.0.0.0:82", reuse),
            socket(SocketType::STREAM, "0.0.0.0:82", reuse),
            socket(SocketType::STREAM, "0.0.0.0:83", wire),
            socket(SocketType::DGRAM, "[2001:db8::2]:53", plain),
            socket(SocketType::DGRAM, "0.0.0.0:53", plain),
            socket(SocketType::DGRAM, "0.0.0.0:40000", plain),
        ];
        all
    };
    let _sockets = namespace.enter(sockets).unwrap();
    let host = read(&namespace);
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let expected = |protocol, address: &str, v6_only, device| Listening {
        protocol,
        address: address.parse().unwrap(),
        v6_only,
        device,
        uid: 0,
        program: Some(comm.trim_end().to_owned()),
    };
    assert_eq!(
        host.listening,
        [
            expected(Protocol::Tcp, "192.0.2.2:22", false, None),
            expected(Protocol::Udp, "0.0.0.0:53", false, None),
            // Bound to an address of IPv6: the kernel itself sets the option.
            expected(Protocol::Udp, "[2001:db8::2]:53", true, None),
            expected(Protocol::Tcp, "[::]:80", false, None),
            expected(Protocol::Tcp, "[::]:81", true, None),
            expected(Protocol::Tcp, "0.0.0.0:82", false, None),
            expected(Protocol::Tcp, "0.0.0.0:83", false, Some(7)),
        ]
    );
    let program = comm.trim_end();
    let client = format!("udp/40000 ({program}): ports that clients use too (32768 to 60999)");
    assert!(host.left_out.contains(&client), "{:?}", host.left_out);
}

#[test]
fn a_tunnel_of_the_kernel_is_listed_though_its_port_is_a_clients() {
    let host = host(&format!(
        "{NETWORK}\nlink add tunnel type vxlan id 5 dstport 51820 local 192.0.2.2 dev out0\nlink set tunnel up"
    ));
    let udp: Vec<_> = host
        .listening
        .iter()
        .map(|one| (one.protocol, one.address.port()))
        .collect();
    assert_eq!(udp, [(Protocol::Udp, 51820)]);
    assert_eq!(host.listening[0].program, None);
}

#[test]
fn the_users_of_sockets_are_told() {
    let namespace = namespace(LOOPBACK);
    let bind_as = || {
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(4242)).unwrap();
        TcpListener::bind("127.0.0.1:8080").unwrap()
    };
    let _listener = namespace.enter(bind_as).unwrap();
    let host = read(&namespace);
    assert_eq!(host.listening.len(), 1);
    assert_eq!(host.listening[0].uid, 4242);
}

#[test]
fn programs_of_others_have_names_for_those_who_may_look() {
    let namespace = namespace(LOOPBACK);
    let start = || {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        let client = UdpSocket::bind("127.0.0.1:40000").unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("120").stdin(OwnedFd::from(listener));
        sleep.stdout(OwnedFd::from(client)).spawn().unwrap()
    };
    let mut other = namespace.enter(start).unwrap();
    let privileged = read(&namespace);
    let look = || {
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(4242)).unwrap();
        Host::read().unwrap()
    };
    let unprivileged = namespace.enter(look).unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    for (host, program) in [(&privileged, Some("sleep")), (&unprivileged, None)] {
        let all: Vec<_> = host
            .listening
            .iter()
            .map(|one| (one.address.port(), one.program.as_deref()))
            .collect();
        assert_eq!(all, [(8080, program)]);
        let told = |words: &str| host.left_out.iter().any(|line| line.contains(words));
        let client = program.map_or("udp/40000: ".to_owned(), |name| {
            format!("udp/40000 ({name}): ")
        });
        assert!(told(&client), "{:?}", host.left_out);
        assert_eq!(told("not permitted"), program.is_none());
    }
    assert_eq!(unprivileged.links, privileged.links);
    assert_eq!(unprivileged.sysctls, privileged.sysctls);
}
