//! A host and the world in network namespaces of their own, and packets between them.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, bind, connect, getsockname, ipproto, sendto,
    socket_with,
};
use safe_apply::checkpoint::Part;
use safe_apply::legacy::Tables;
use safe_apply::netns::NetNs;
use safe_apply::nftables::{Ruleset, TableId};
use safe_apply::rehearsal::decide::{Spot, Stopped, Tracer};
use safe_apply::rehearsal::{Flow, Protocol};
use tokio::runtime::{Builder, Runtime};

pub const HOST: &str = "192.0.2.2";
pub const WORLD: &str = "192.0.2.1";
pub const HOST6: &str = "2001:db8::2";
pub const WORLD6: &str = "2001:db8::1";
/// The beginning of a chain that sees what comes in.
pub const INPUT: &str = "type filter hook input priority 0;";
/// A test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a tool with `input` on its standard input, in the thread's namespace.
pub fn tool(line: &str, input: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        // The host's own lock is nobody's business here.
        .env("XTABLES_LOCKFILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}\n{input}");
    String::from_utf8(output.stdout).unwrap()
}

/// The address `ip:port`.
pub fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// The host (`v0`) and the world (`v1`), joined by a wire.
pub struct Lab {
    pub host: NetNs,
    pub world: NetNs,
    pub runtime: Runtime,
    listening: Vec<TcpListener>,
}

impl Lab {
    pub fn new() -> Self {
        let (host, world) = (NetNs::scratch().unwrap(), NetNs::scratch().unwrap());
        let wire = || {
            let peer = rustix::thread::gettid();
            let add = format!("ip link add v0 type veth peer name v1 netns {peer}");
            host.enter(|| tool(&add, "")).unwrap();
        };
        world.enter(wire).unwrap();
        for (namespace, device, v4, v6) in
            [(&host, "v0", HOST, HOST6), (&world, "v1", WORLD, WORLD6)]
        {
            let up = || {
                tool("ip link set lo up", "");
                tool(&format!("ip addr add {v4}/24 dev {device}"), "");
                tool(&format!("ip addr add {v6}/64 dev {device} nodad"), "");
                tool(&format!("ip link set {device} up"), "");
            };
            namespace.enter(up).unwrap();
        }
        Self {
            host,
            world,
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            listening: Vec::new(),
        }
    }

    /// Runs a tool on the host.
    pub fn host(&self, line: &str, input: &str) -> String {
        self.host.enter(|| tool(line, input)).unwrap()
    }

    /// Sets a value below `/proc/sys` on the host.
    pub fn sysctl(&self, path: &str, value: &str) {
        let path = format!("/proc/sys/{path}");
        let set = || std::fs::write(path, value).unwrap();
        self.host.enter(set).unwrap();
    }

    /// Loads an nft script on the host.
    pub fn nft(&self, script: &str) {
        self.host("nft -f -", script);
    }

    /// Has TCP connections to these ports of the host accepted, over both versions of IP.
    pub fn listen(&mut self, ports: &[u16]) {
        for port in ports {
            let address = at("::", *port);
            let one = self.host.enter(|| TcpListener::bind(address).unwrap());
            self.listening.push(one.unwrap());
        }
    }

    /// What the host holds.
    pub fn capture(&self) -> Ruleset {
        self.host.enter(|| Ruleset::capture().unwrap()).unwrap()
    }

    /// A tracer that knows the host's rules.
    pub fn tracer(&self, devices: &[&str]) -> Tracer {
        let devices: Vec<String> = devices.iter().map(|name| (*name).to_owned()).collect();
        let mut tracer = Tracer::install(&self.host, &devices).unwrap();
        self.tell(&mut tracer);
        tracer
    }

    /// Tells a tracer what rules there are now.
    pub fn tell(&self, tracer: &mut Tracer) {
        let tables = self.host.enter(|| Tables::capture().unwrap());
        tracer.rules(&self.capture(), &tables.unwrap());
    }

    /// The first packet of `flow` that is stopped.
    pub fn stopped(&self, tracer: &mut Tracer, flow: Flow) -> Spot {
        self.stopped_where(tracer, |stopped| stopped.flow == Some(flow))
            .spot
    }

    pub fn stopped_where(&self, tracer: &mut Tracer, wanted: impl Fn(&Stopped) -> bool) -> Stopped {
        let mut others = Vec::new();
        let search = async {
            loop {
                let stopped = tracer.next().await;
                if wanted(&stopped) {
                    return stopped;
                }
                others.push(stopped);
            }
        };
        let found = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, search).await });
        match found {
            Ok(stopped) => stopped,
            Err(_) => panic!("nothing was stopped but {others:?}"),
        }
    }
}

/// A TCP connection under way, without waiting for it.
pub fn dial(from: &NetNs, source: &str, destination: SocketAddr) -> (Flow, OwnedFd) {
    from.enter(|| {
        let source: SocketAddr = at(source, 0);
        let family = family(source.ip());
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
        bind(&socket, &source).unwrap();
        match connect(&socket, &destination) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(other) => panic!("{other}"),
        }
        let source = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        let protocol = Protocol::Tcp;
        let flow = Flow {
            protocol,
            source,
            destination,
        };
        (flow, socket)
    })
    .unwrap()
}

/// Waits until a connection is made; the error is what the kernel says.
pub fn made(socket: &OwnedFd) -> Result<(), Errno> {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let patience = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "no connection");
    rustix::net::sockopt::socket_error(socket).unwrap()
}

/// A datagram.
pub fn datagram(from: &NetNs, source: &str, destination: SocketAddr) -> (Flow, UdpSocket) {
    from.enter(|| {
        let socket = UdpSocket::bind(at(source, 0)).unwrap();
        socket.connect(destination).unwrap();
        // The host's own rules tell the sender at once.
        match socket.send(b"x") {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        }
        let source = socket.local_addr().unwrap();
        let protocol = Protocol::Udp;
        (
            Flow {
                protocol,
                source,
                destination,
            },
            socket,
        )
    })
    .unwrap()
}

/// An echo request.
pub fn echo(from: &NetNs, source: &str, destination: &str) -> Flow {
    let (source, destination) = (at(source, 0), at(destination, 0));
    let (protocol, kind, sum) = match source.ip() {
        // The sum of type 8 and identifier 1, complemented.
        IpAddr::V4(_) => (ipproto::ICMP, 8, [0xf7, 0xfe]),
        // The kernel sums for IPv6.
        IpAddr::V6(_) => (ipproto::ICMPV6, 128, [0, 0]),
    };
    from.enter(|| {
        let raw = SocketFlags::CLOEXEC;
        let socket =
            socket_with(family(source.ip()), SocketType::RAW, raw, Some(protocol)).unwrap();
        let request = [kind, 0, sum[0], sum[1], 0, 1, 0, 0];
        sendto(&socket, &request, SendFlags::empty(), &destination).unwrap();
    })
    .unwrap();
    let protocol = Protocol::Icmp;
    Flow {
        protocol,
        source,
        destination,
    }
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    }
}

/// A place in an nf_tables table: `ip filter`, `INPUT`, the rule's number from 1.
pub fn spot(table: &str, chain: &str, rule: Option<usize>, reply: bool) -> Spot {
    let (family, name) = table.split_once(' ').unwrap();
    let family = match family {
        "inet" => 1,
        "ip" => 2,
        "arp" => 3,
        "netdev" => 5,
        "ip6" => 10,
        other => panic!("{other}"),
    };
    let name = name.to_owned();
    let chain = chain.to_owned();
    let part = Part::Nft(TableId { family, name });
    Spot {
        part,
        chain,
        rule,
        reply,
    }
}
