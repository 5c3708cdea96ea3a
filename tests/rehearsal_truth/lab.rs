//! A host and the world around it, each in a network namespace; one pair for each case, so
//! that no case sees what another left (connections, counters, lists of recent addresses).
//!
//! The host is a thread with network and mounts of its own: what is run from it, runs there.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::Protocol;

use crate::serve::{Served, Server};

/// The host's addresses: `eth0`, where the default route leads, and `eth1`.
pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
pub const HOST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2));
pub const HOST_INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
/// Users: on the link, behind the gateway, on the inner network.
pub const USER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
pub const USER_FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
pub const USER_INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 9));
pub const USER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
pub const USER_V6_FAR: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xfa, 0, 0, 0, 0, 9));
/// Gateways and resolvers, which the host needs.
pub const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 254));
pub const GATEWAY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfe));
pub const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53));
pub const RESOLVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x53));

// Link-local addresses that the kernel makes are of no use for up to a second, however
// they are to be checked.
const WORLD_LINKS: &str = "\
link add wan0 address 02:00:00:00:77:01 type veth peer name eth0 netns HOST
link add wan1 address 02:00:00:00:77:02 type veth peer name eth1 netns HOST
link set lo up
link set wan0 addrgenmode none
link set wan1 addrgenmode none
link set wan0 up
link set wan1 up
address add fe80::254/64 dev wan0 nodad
address add fe80::254/64 dev wan1 nodad
address add 198.51.100.254/24 dev wan0
address add 10.77.0.254/24 dev wan1
address add 2001:db8::fe/64 dev wan0 nodad
";
const HOST_LINKS: &str = "\
link set lo up
link set eth0 addrgenmode none
link set eth1 addrgenmode none
link set eth0 up
link set eth1 up
address add fe80::2/64 dev eth0 nodad
address add fe80::2/64 dev eth1 nodad
address add 198.51.100.2/24 dev eth0
address add 10.77.0.2/24 dev eth1
address add 2001:db8::2/64 dev eth0 nodad
route add default via 198.51.100.254
route add default via 2001:db8::fe
";
/// Whatever device a socket of the world is bound to, it finds the host there.
const WORLD_ROUTES: &str = "\
route add default via 198.51.100.2 dev wan0
route add default via 10.77.0.2 dev wan1 metric 200
route add default via 2001:db8::2 dev wan0
";

/// The lab, in the host's own thread.
pub struct Lab {
    pub world: NetNs,
    pub server: Server,
    dir: tempfile::TempDir,
    /// What the world has on `lo` by now.
    known: Mutex<BTreeSet<IpAddr>>,
}

/// Runs `work` on a host of its own, with nothing listening and no rules.
pub fn on_a_host<T: Send>(work: impl FnOnce(&Lab) -> T + Send) -> T {
    assert!(rustix::process::geteuid().is_root(), "the lab needs root");
    let done = thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
                work(&Lab::new())
            })
            .join()
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            world: NetNs::scratch().unwrap(),
            server: Server::start(),
            dir: tempfile::tempdir().unwrap(),
            known: Mutex::default(),
        };
        lab.mount();
        lab.wire();
        lab
    }

    /// Own `/run` (lock files), own `/sys`, own resolvers and no settings of this machine's.
    fn mount(&self) {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        mount("run", "/run", "tmpfs", MountFlags::empty(), None).unwrap();
        mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None).unwrap();
        std::fs::create_dir("/run/sshd").unwrap();
        let resolvers = format!("nameserver {RESOLVER}\nnameserver {RESOLVER_V6}\n");
        let file = self.file("resolv.conf", &resolvers);
        mount_bind(file, std::fs::canonicalize("/etc/resolv.conf").unwrap()).unwrap();
    }

    fn wire(&self) {
        let ours = format!(
            "/proc/{}/task/{}/ns/net",
            std::process::id(),
            rustix::thread::gettid().as_raw_nonzero()
        );
        // Addresses that nobody else has need no detection of others.
        let quick = || {
            for conf in ["all", "default"] {
                set(&format!("net/ipv6/conf/{conf}/accept_dad"), "0");
            }
        };
        quick();
        // Root's ping needs no privileged socket.
        set("net/ipv4/ping_group_range", "0 0");
        self.in_world(|| {
            quick();
            batch(&WORLD_LINKS.replace("HOST", &ours));
        });
        batch(HOST_LINKS);
        await_address(HOST_V6);
        self.in_world(|| {
            batch(WORLD_ROUTES);
            await_address(GATEWAY_V6);
        });
    }

    /// Lets the host refuse as often as it is asked: each row stands for a visitor of its own,
    /// although they all come within a moment.
    pub fn refuse_without_limit(&self) {
        for (name, value) in [
            ("net/ipv4/icmp_ratelimit", "0"),
            ("net/ipv4/icmp_msgs_per_sec", "100000"),
            ("net/ipv4/icmp_msgs_burst", "100000"),
            ("net/ipv6/icmp/ratelimit", "0"),
        ] {
            set(name, value);
        }
    }

    pub fn in_world<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.world.enter(work).unwrap()
    }

    /// Where a file of this lab is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file for this lab.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A command on the host that works in directories of this lab.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, dir) in [
            ("SAFE_APPLY_STATE_DIR", "state"),
            ("SAFE_APPLY_RUN_DIR", "state-run"),
            ("SAFE_APPLY_CONFIG", "safe-apply.toml"),
        ] {
            command.env(name, self.path(dir));
        }
        command
            .env_remove("SSH_CONNECTION")
            .env_remove("SSH_CLIENT");
        command
    }

    /// Gives the world an address, so that it answers for it.
    pub fn appear(&self, address: IpAddr) {
        if address.is_loopback() || !self.known.lock().unwrap().insert(address) {
            return;
        }
        // Neighbour discovery, unlike ARP, is answered for the interface's own addresses only.
        let place = match address {
            IpAddr::V4(_) => format!("{address}/32 dev lo"),
            IpAddr::V6(inner) if inner.segments()[..4] == [0x2001, 0xdb8, 0, 0] => {
                format!("{address}/64 dev wan0 nodad")
            }
            IpAddr::V6(_) => format!("{address}/128 dev lo nodad"),
        };
        if ![GATEWAY, GATEWAY_V6].contains(&address) {
            self.in_world(|| {
                batch(&format!("address add {place}\n"));
                await_address(address);
            });
        }
    }

    /// Something on the host that answers.
    pub fn listen(&self, protocol: Protocol, address: SocketAddr, only_v6: bool) {
        let served = Served::new(protocol, address, only_v6).unwrap();
        self.server.serve(served);
    }

    /// Something in the world that answers.
    pub fn listen_outside(&self, protocol: Protocol, address: SocketAddr) {
        self.appear(address.ip());
        match self.in_world(|| Served::new(protocol, address, true)) {
            Ok(served) => self.server.serve(served),
            // It is there already.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse, "{address}"),
        }
    }
}

/// The interface of the world that faces the one by which the host reaches `peer`.
pub fn device(peer: IpAddr) -> &'static str {
    match peer {
        IpAddr::V4(peer) if peer.octets()[..3] == [10, 77, 0] => "wan1",
        IpAddr::V4(_) | IpAddr::V6(_) => "wan0",
    }
}

/// Waits until the kernel takes in what is sent to an address that was just added: the route
/// for an IPv6 address is made later, by a worker of the kernel's.
fn await_address(address: IpAddr) {
    let IpAddr::V6(address) = address else { return };
    let digits: String = address.octets().map(|byte| format!("{byte:02x}")).concat();
    let until = Instant::now() + Duration::from_secs(10);
    let routed = || {
        let routes = std::fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
        // The last word but one holds the flags; RTF_LOCAL is 0x80000000.
        routes
            .lines()
            .any(|line| line.starts_with(&format!("{digits} 80")) && line.contains(" 80200001 "))
    };
    while !routed() {
        assert!(Instant::now() < until, "{address} does not come up");
        thread::sleep(Duration::from_millis(1));
    }
}

fn set(name: &str, value: &str) {
    std::fs::write(Path::new("/proc/sys").join(name), value).unwrap();
}

fn batch(lines: &str) {
    let done = feed(Command::new("ip").args(["-batch", "-"]), lines);
    assert!(done.is_ok(), "{}\n{lines}", done.unwrap_err());
}

/// Runs a command that reads `input`; what it said where it fails.
pub fn feed(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let done = thread::scope(|scope| {
        // A tool may stop reading early.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output().unwrap()
    });
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(said(&done.stdout))
    } else {
        Err(format!(
            "{command:?}: {}: {}{}",
            done.status,
            said(&done.stdout),
            said(&done.stderr)
        ))
    }
}
