//! A namespace that stands for the host, and dialling in a stage.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::host::Host;
use safe_apply::rehearsal::stage::Stage;

use crate::model::{commands, ip};

pub const PORT: u16 = 22;
/// Longer than it takes to give up on a neighbour (300 ms).
const PATIENCE_MILLISECONDS: i64 = 1500;

/// Runs a tool in the calling thread's network namespace.
pub fn tool(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{line}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

pub fn tool_in(namespace: &NetNs, line: &str) -> String {
    namespace.enter(|| tool(line)).unwrap()
}

/// Waits until the interfaces carry packets: before that the kernel takes no address of theirs.
pub fn until_carried(names: &[&str]) {
    let until = Instant::now() + Duration::from_secs(30);
    for name in names {
        while !tool(&format!("ip link show {name}")).contains("LOWER_UP")
            || tool(&format!("ip link show {name}")).contains("state DOWN")
        {
            assert!(Instant::now() < until, "{name} stays down");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub fn nft(namespace: &NetNs, script: &str) {
    let run = || {
        let nft = safe_apply::exec::Run::tool("nft").unwrap();
        nft.args(["-f", "-"]).stdin(script).success().unwrap();
    };
    namespace.enter(run).unwrap();
}

/// A stage of `host`, built in a namespace that looks like it.
pub fn on_stage(host: &Host, peers: &[&str]) -> Stage {
    on_stage_with(host, peers, &[], &[])
}

/// As [`on_stage`], with more commands that make the host, and devices that rules need.
pub fn on_stage_with(host: &Host, peers: &[&str], lines: &[&str], devices: &[&str]) -> Stage {
    let outer = NetNs::scratch().unwrap();
    let peers: Vec<IpAddr> = peers.iter().map(|peer| ip(peer)).collect();
    let devices: BTreeSet<String> = devices.iter().map(|name| (*name).to_owned()).collect();
    let build = || {
        for line in commands(host) {
            tool(&line);
        }
        for line in lines {
            tool(line);
        }
        let up = host.links.values().filter(|link| link.up);
        until_carried(&up.map(|link| link.name.as_str()).collect::<Vec<_>>());
        Stage::build(host, &peers, &devices).unwrap()
    };
    outer.enter(build).unwrap()
}

/// Waits for connections on the server to all its addresses.
pub fn listen(stage: &Stage) -> TcpListener {
    let open = || TcpListener::bind(("::", PORT)).unwrap();
    stage.server().enter(open).unwrap()
}

/// Whether `peer` can connect to `server`, by the wire that the stage names.
pub fn dial(stage: &Stage, peer: &str, server: &str) -> io::Result<TcpStream> {
    let wire = stage.wire_between(ip(peer), ip(server)).unwrap();
    dial_by(stage, &wire, peer, server)
}

pub fn dial_by(stage: &Stage, wire: &str, peer: &str, server: &str) -> io::Result<TcpStream> {
    let socket = || -> io::Result<OwnedFd> {
        let (peer, server) = (ip(peer), ip(server));
        let family = match peer {
            IpAddr::V4(_) => AddressFamily::INET,
            IpAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        setsockopt(&socket, BindToDevice, &wire.into())?;
        bind(&socket, &end(wire, peer, 0))?;
        match connect(&socket, &end(wire, server, PORT)) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    };
    let socket = stage.world().enter(socket)??;
    let patience = Duration::from_millis(PATIENCE_MILLISECONDS.unsigned_abs());
    let patience = Timespec::try_from(patience).unwrap();
    if poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&patience))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    sockopt::socket_error(&socket)??;
    Ok(TcpStream::from(socket))
}

/// Link-local addresses count on one interface of the world.
fn end(wire: &str, ip: IpAddr, port: u16) -> SocketAddr {
    match ip {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => {
            let index = nix::net::if_::if_nametoindex(wire).unwrap();
            SocketAddrV6::new(ip, port, 0, index).into()
        }
        ip => SocketAddr::new(ip, port),
    }
}
