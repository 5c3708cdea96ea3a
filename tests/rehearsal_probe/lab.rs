//! A host and the world in two namespaces, joined by a wire.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use safe_apply::exec::Run;
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::Protocol;
use safe_apply::rehearsal::probe::{
    Answer, Audience, Outcome, Probe, Side, Unwitnessed, Wanted, run,
};

pub const HOST: &str = "192.0.2.1";
pub const HOST_TOO: &str = "192.0.2.2";
pub const HOST_V6: &str = "2001:db8::1";
pub const USER: &str = "192.0.2.77";
pub const USER_V6: &str = "2001:db8::77";
pub const STRANGER: &str = "198.51.100.9";
/// Somebody on the Internet, for the host to reach.
pub const SITE: &str = "203.0.113.5";
pub const SITE_V6: &str = "2001:db8:5::5";
pub const DEADLINE: Duration = Duration::from_millis(300);
/// Nothing takes so long unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

pub struct Lab {
    pub server: NetNs,
    pub world: NetNs,
    pub listening: Option<Audience>,
    _world: Audience,
}

impl Lab {
    /// On the host TCP 22 and 80 and UDP 53 listen; in the world, TCP 443 and UDP 53.
    pub fn new() -> Self {
        let sockets = [
            wanted(Protocol::Tcp, "[::]:22", 0),
            wanted(Protocol::Tcp, "[::]:80", 33),
            wanted(Protocol::Udp, "[::]:53", 53),
        ];
        Self::listening(&sockets)
    }

    pub fn listening(sockets: &[Wanted]) -> Self {
        let (server, world) = (NetNs::scratch().unwrap(), NetNs::scratch().unwrap());
        join(&server, &world);
        let listening = Audience::open(&server, Side::Host, sockets).unwrap();
        assert!(listening.missing().is_empty(), "{:?}", listening.missing());
        let sites = [
            wanted(Protocol::Tcp, "[::]:443", 0),
            wanted(Protocol::Udp, "[::]:53", 0),
        ];
        let outside = Audience::open(&world, Side::World, &sites).unwrap();
        assert!(outside.missing().is_empty(), "{:?}", outside.missing());
        Self {
            server,
            world,
            listening: Some(listening),
            _world: outside,
        }
    }

    /// Loads an nft script in the host's namespace.
    pub fn rules(&self, script: &str) {
        let load = || {
            let nft = Run::tool("nft").unwrap().args(["-f", "-"]).stdin(script);
            nft.output().unwrap()
        };
        let output = self.server.enter(load).unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }

    pub fn ask(&self, probes: &[Probe]) -> Vec<Answer> {
        self.ask_within(probes, DEADLINE)
    }

    fn ask_within(&self, probes: &[Probe], deadline: Duration) -> Vec<Answer> {
        let nobody = &mut Unwitnessed;
        waits(run(probes, &self.server, &self.world, deadline, nobody))
    }

    /// The outcomes of these probes.
    pub fn outcomes(&self, probes: &[Probe]) -> Vec<Outcome> {
        self.outcomes_within(probes, DEADLINE)
    }

    pub fn outcomes_within(&self, probes: &[Probe], deadline: Duration) -> Vec<Outcome> {
        let answers = self.ask_within(probes, deadline);
        assert_eq!(answers.len(), probes.len());
        answers.into_iter().map(|answer| answer.outcome).collect()
    }
}

/// Drives a future as the program does.
pub fn waits<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(HANGS, work).await.unwrap() })
}

/// Interfaces `eth0` on the host and `out0` in the world.
fn join(server: &NetNs, world: &NetNs) {
    world
        .enter(|| {
            let other = format!(
                "/proc/{}/task/{}/ns/net",
                std::process::id(),
                rustix::thread::gettid().as_raw_nonzero()
            );
            let host = format!(
                "link set lo up\n\
                 link add eth0 index 12 type veth peer name out0 index 34 netns {other}\n\
                 link set eth0 up addrgenmode none\n\
                 addr add {HOST}/24 dev eth0\naddr add {HOST_TOO}/24 dev eth0\n\
                 addr add {HOST_V6}/64 dev eth0 nodad\n\
                 route add default via {USER}\nroute add default via {USER_V6}\n"
            );
            server.enter(|| ip(&host)).unwrap();
            ip(&format!(
                "link set lo up\nlink set out0 up addrgenmode none\n\
                 addr add {USER}/24 dev out0\naddr add {USER_V6}/64 dev out0 nodad\n\
                 addr add {STRANGER}/32 dev out0\naddr add {SITE}/32 dev lo\n\
                 addr add {SITE_V6}/128 dev lo nodad\n"
            ));
            prepare("out0", &[USER_V6, SITE_V6]);
        })
        .unwrap();
    server.enter(|| prepare("eth0", &[HOST_V6])).unwrap();
}

/// Lifts limits that blur what rules do, and waits until the wire is at work.
fn prepare(link: &str, addresses: &[&str]) {
    for (path, value) in [
        ("ipv4/icmp_ratemask", "0"),
        ("ipv6/icmp/ratelimit", "0"),
        ("ipv4/ping_group_range", "0 2147483647"),
    ] {
        std::fs::write(format!("/proc/sys/net/{path}"), value).unwrap();
    }
    // The kernel starts the queue some time after the carrier is there (`linkwatch_event`), and
    // takes in packets for an IPv6 address some time after it was added (`addrconf_dad_work`).
    eventually(&["link", "show", link], |shown| shown.contains("state UP"));
    let routes = ["-6", "route", "show", "table", "local"];
    for address in addresses {
        let own = format!("local {address} ");
        eventually(&routes, |shown| shown.contains(&own));
    }
}

fn eventually(arguments: &[&str], wanted: impl Fn(&str) -> bool) {
    let end = Instant::now() + HANGS;
    loop {
        let output = Run::tool("ip").unwrap().args(arguments).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        if wanted(&shown) {
            return;
        }
        assert!(Instant::now() < end, "{arguments:?}: {shown}");
        std::thread::yield_now();
    }
}

/// A batch for `ip` in the calling thread's namespace.
pub fn ip(batch: &str) {
    let run = Run::tool("ip").unwrap().args(["-batch", "-"]).stdin(batch);
    let output = run.output().unwrap();
    assert!(output.status.success(), "{batch}: {output:?}");
}

pub fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port)
}

pub fn wanted(protocol: Protocol, address: &str, uid: u32) -> Wanted {
    let address: SocketAddr = address.parse().unwrap();
    Wanted {
        protocol,
        address,
        v6_only: false,
        device: None,
        uid,
        ssh: address.port() == 22,
    }
}

/// From the world to the host.
pub fn inbound(protocol: Protocol, from: &str, to: &str, port: u16) -> Probe {
    Probe {
        protocol,
        side: Side::World,
        source: address(from, 0),
        destination: address(to, port),
        device: Some("out0".to_owned()),
        uid: 0,
    }
}

/// From the host to somewhere.
pub fn outbound(protocol: Protocol, from: &str, to: &str, port: u16) -> Probe {
    Probe {
        side: Side::Host,
        device: None,
        ..inbound(protocol, from, to, port)
    }
}

/// Every kind of probe: in and out, both families, all protocols.
pub fn every_kind() -> Vec<Probe> {
    let mut probes = Vec::new();
    for (user, host, site) in [(USER, HOST, SITE), (USER_V6, HOST_V6, SITE_V6)] {
        for (protocol, port) in [
            (Protocol::Tcp, 22),
            (Protocol::Udp, 53),
            (Protocol::Icmp, 0),
        ] {
            probes.push(inbound(protocol, user, host, port));
        }
        for (protocol, port) in [
            (Protocol::Tcp, 443),
            (Protocol::Udp, 53),
            (Protocol::Icmp, 0),
        ] {
            probes.push(outbound(protocol, host, site, port));
        }
    }
    probes
}
