//! What real packets see.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, ipproto, recv, socket_with,
};
use safe_apply::rehearsal::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{sleep, timeout};

use crate::lab::{Lab, device};

/// Long enough for a machine under load, shorter than the first retransmission of a SYN (1 s).
pub const QUICK: Duration = Duration::from_millis(800);
/// For a second look.
pub const PATIENT: Duration = Duration::from_millis(2600);
/// `net/if.h`: EPERM is what a sender is told whose packet the rules dropped.
const EPERM: i32 = 1;
const A_MOMENT: Duration = Duration::from_millis(100);
/// What goes there; sshd takes it for another program's banner.
const WORDS: &[u8] = b"SSH-2.0-is_anybody_there\r\n";

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    /// Data went both ways.
    Open,
    /// Refused with an answer.
    Rejected,
    /// Nothing came.
    Blocked,
}

/// One real connection, datagram or echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub protocol: Protocol,
    /// Whether the host is asked by the world; else the host asks.
    pub inward: bool,
    /// The sender's address; none: which one is left to the kernel.
    pub from: Option<IpAddr>,
    pub to: SocketAddr,
}

enum Socket {
    Tcp(TcpSocket),
    Udp(std::net::UdpSocket),
}

impl Lab {
    /// Asks everything at once.
    pub fn ask(&self, questions: &[Question], patience: Duration) -> Vec<Seen> {
        let inward: Vec<_> = questions.iter().filter(|one| one.inward).collect();
        for question in &inward {
            question.from.iter().for_each(|from| self.appear(*from));
        }
        let mut sockets = self
            .in_world(|| inward.iter().map(|one| one.socket()).collect::<Vec<_>>())
            .into_iter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut asked = Vec::new();
            for question in questions {
                let socket = if question.inward {
                    sockets.next().unwrap()
                } else {
                    question.socket()
                };
                asked.push(tokio::spawn(ask(*question, socket, patience)));
            }
            let mut seen = Vec::new();
            for one in asked {
                seen.push(one.await.unwrap());
            }
            seen
        })
    }
}

impl Question {
    /// A socket in the calling thread's namespace.
    fn socket(&self) -> io::Result<Socket> {
        let any: IpAddr = match self.to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let from = SocketAddr::new(self.from.unwrap_or(any), 0);
        let family = match self.to {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        if self.protocol == Protocol::Tcp {
            let socket = match self.to {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            if let (true, Some(from)) = (self.inward, self.from) {
                socket.bind_device(Some(device(from).as_bytes()))?;
            }
            keep_errors(&socket, self.to.is_ipv6())?;
            socket.bind(from)?;
            return Ok(Socket::Tcp(socket));
        }
        let protocol = match (self.protocol, self.to) {
            (Protocol::Udp | Protocol::Tcp, _) => None,
            (Protocol::Icmp, SocketAddr::V4(_)) => Some(ipproto::ICMP),
            (Protocol::Icmp, SocketAddr::V6(_)) => Some(ipproto::ICMPV6),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::DGRAM, flags, protocol)?;
        keep_errors(&fd, self.to.is_ipv6())?;
        if let (true, Some(from)) = (self.inward, self.from) {
            let name = std::ffi::OsString::from(device(from));
            setsockopt(&fd, sockopt::BindToDevice, &name)?;
        }
        bind(&fd, &from)?;
        Ok(Socket::Udp(fd.into()))
    }
}

/// All that comes back is told, not only what the kernel takes for final.
pub fn keep_errors(socket: &impl AsFd, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    }
    Ok(())
}

async fn ask(question: Question, socket: io::Result<Socket>, patience: Duration) -> Seen {
    let socket = socket.unwrap_or_else(|error| panic!("no socket for {question:?}: {error}"));
    let (answer, errors) = match socket {
        Socket::Tcp(socket) => {
            let errors = socket.as_fd().try_clone_to_owned().unwrap();
            (timeout(patience, talk(socket, question.to)).await, errors)
        }
        Socket::Udp(socket) => {
            let errors = OwnedFd::from(socket.try_clone().unwrap());
            (timeout(patience, send(socket, question)).await, errors)
        }
    };
    let seen = match answer {
        Err(_) => Seen::Blocked,
        Ok(Ok(())) => Seen::Open,
        Ok(Err(error)) => {
            if error.raw_os_error() == Some(EPERM) {
                // A rule of one's own that rejects says so in a moment.
                sleep(A_MOMENT).await;
            }
            seen_from(&error)
        }
    };
    if seen == Seen::Blocked && was_refused(&errors) {
        return Seen::Rejected;
    }
    seen
}

/// Whether an ICMP error waits in the queue of a socket. One that comes back before
/// `connect(2)` has returned, as it may in a lab, goes nowhere else.
pub fn was_refused(socket: impl AsFd) -> bool {
    let mut buffer = [0; 64];
    let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
    let mut found = false;
    while recv(&socket, &mut buffer[..], flags).is_ok() {
        found = true;
    }
    found
}

async fn talk(socket: TcpSocket, to: SocketAddr) -> io::Result<()> {
    let mut stream = socket.connect(to).await?;
    stream.write_all(WORDS).await?;
    let mut heard = Vec::new();
    while !is_answer(&heard) {
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
    Ok(())
}

/// The words themselves, or sshd's banner and what it sends once it has read ours.
fn is_answer(heard: &[u8]) -> bool {
    let line = heard.iter().position(|byte| *byte == b'\n');
    heard == WORDS || !heard.starts_with(WORDS) && line.is_some_and(|at| heard.len() > at + 1)
}

async fn send(socket: std::net::UdpSocket, question: Question) -> io::Result<()> {
    let socket = UdpSocket::from_std(socket)?;
    socket.connect(question.to).await?;
    match (question.protocol, question.to) {
        (Protocol::Udp | Protocol::Tcp, _) => socket.send(WORDS).await?,
        // Type, code, checksum, number, sequence; the kernel fills in sum and number. As long as ping's.
        (Protocol::Icmp, SocketAddr::V4(_)) => socket.send(&echo_request(8)).await?,
        (Protocol::Icmp, SocketAddr::V6(_)) => socket.send(&echo_request(128)).await?,
    };
    socket.recv(&mut [0; 512]).await?;
    Ok(())
}

const fn echo_request(kind: u8) -> [u8; 64] {
    let mut message = [0; 64];
    message[0] = kind;
    message[7] = 1;
    message
}

/// What an error means to who gets it.
pub fn seen_from(error: &io::Error) -> Seen {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        PermissionDenied, TimedOut, WouldBlock,
    };
    /// `asm-generic/errno.h`: what ICMP errors become (`icmp_err_convert`).
    const FROM_ICMP: [i32; 4] = [71, 92, 95, 112];
    match (error.kind(), error.raw_os_error()) {
        (PermissionDenied, Some(EPERM)) | (TimedOut | WouldBlock, _) => Seen::Blocked,
        (
            ConnectionRefused | ConnectionReset | ConnectionAborted | HostUnreachable
            | NetworkUnreachable | PermissionDenied,
            _,
        ) => Seen::Rejected,
        (_, Some(code)) if FROM_ICMP.contains(&code) => Seen::Rejected,
        (_, _) => panic!("a probe failed: {error:?}"),
    }
}
