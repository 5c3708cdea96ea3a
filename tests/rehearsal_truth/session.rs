//! The session that is open across the change, and new logins: over plain TCP or over ssh.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use safe_apply::rehearsal::Protocol;

use crate::lab::{Lab, device};
use crate::probe::{PATIENT, QUICK, Question, Seen, keep_errors, seen_from, was_refused};
use crate::ssh::{self, Shell};

/// How long a session that was not there at once may take to open.
const UNHURRIED: Duration = Duration::from_secs(6);
/// The shortest time that a socket waits.
const MOMENT: Duration = Duration::from_millis(1);

/// What answers on the login port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A service that sends back what it gets: quick.
    Echo,
    /// A real sshd, and real ssh.
    Ssh,
}

/// Who says something over the old session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    Host,
    User,
}

impl Speaker {
    pub const fn other(self) -> Self {
        match self {
            Self::Host => Self::User,
            Self::User => Self::Host,
        }
    }
}

/// One session of the user.
pub enum Session {
    Echo(TcpStream),
    Ssh(Shell),
}

impl Session {
    /// Opens a session as the user; `None` where the rules do not let that happen. On a machine
    /// under load a login takes its time, so what fails is tried once more, with more patience.
    pub fn open(lab: &Lab, front: Front, user: IpAddr, server: SocketAddr) -> Option<Self> {
        [QUICK, UNHURRIED].into_iter().find_map(|patience| {
            lab.appear(user);
            let mut session = match front {
                Front::Echo => Self::Echo(connect(lab, user, server, patience)?),
                Front::Ssh => Self::Ssh(Shell::start(lab, user, server)),
            };
            let is_open = session.types(patience) == Seen::Open;
            is_open.then(|| {
                acknowledged(server);
                session
            })
        })
    }

    /// The user's port, where it is known.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Echo(stream) => Some(stream.local_addr().unwrap().port()),
            Self::Ssh(_) => None,
        }
    }

    /// Whether data still goes both ways. Who speaks first may decide: the host does when rules
    /// are applied over that session, the user when a key was just pressed. What the user types
    /// in vain is sent again by TCP, and may get through once the host has spoken.
    pub fn alive(&mut self, lab: &Lab, first: Speaker, patience: Duration) -> Seen {
        let early = match first {
            Speaker::Host => Seen::Blocked,
            Speaker::User => self.types(patience),
        };
        let heard = self.hears(lab, patience);
        let typed = match early {
            // An ICMP error ends no connection that stands.
            Seen::Blocked | Seen::Rejected => self.types(patience),
            Seen::Open => early,
        };
        if typed == Seen::Open { heard } else { typed }
    }

    fn hears(&self, lab: &Lab, patience: Duration) -> Seen {
        match self {
            Self::Echo(stream) => {
                lab.server.say(b"listen");
                hear(stream, b"listen", patience)
            }
            Self::Ssh(shell) => shell.listen(lab, patience.max(PATIENT)),
        }
    }

    fn types(&mut self, patience: Duration) -> Seen {
        match self {
            Self::Echo(stream) => echo(stream, patience),
            Self::Ssh(shell) => shell.echo(patience.max(PATIENT)),
        }
    }
}

/// Waits until the user's end has acknowledged all that the host has sent, which it does a moment late:
/// after a change, that alone could open what waits for the user. Of `/proc/net/tcp`
/// (proc(5)): a line's local address, its state, and what is sent and not acknowledged.
fn acknowledged(server: SocketAddr) {
    let port = format!(":{:04X}", server.port());
    let owed = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let established = fields.get(1).is_some_and(|local| local.ends_with(&port))
            && fields.get(3) == Some(&"01");
        established && !fields[4].starts_with("00000000:")
    };
    let until = Instant::now() + UNHURRIED;
    // This thread is the host's.
    while ["tcp", "tcp6"].iter().any(|name| {
        let open = std::fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        open.unwrap_or_default().lines().any(owed)
    }) {
        assert!(
            Instant::now() < until,
            "the user's end acknowledges nothing"
        );
        std::thread::sleep(MOMENT);
    }
}

/// A new login of the user.
pub fn login(
    lab: &Lab,
    front: Front,
    user: IpAddr,
    server: SocketAddr,
    patience: Duration,
) -> Seen {
    lab.appear(user);
    let question = Question {
        protocol: Protocol::Tcp,
        inward: true,
        from: Some(user),
        to: server,
    };
    match front {
        Front::Echo => lab.ask(&[question], patience)[0],
        Front::Ssh => ssh::log_in(lab, user, server),
    }
}

fn connect(lab: &Lab, user: IpAddr, server: SocketAddr, patience: Duration) -> Option<TcpStream> {
    let socket = lab.in_world(|| {
        let socket = if server.is_ipv4() {
            tokio::net::TcpSocket::new_v4()
        } else {
            tokio::net::TcpSocket::new_v6()
        };
        let socket = socket.unwrap();
        socket.bind_device(Some(device(user).as_bytes())).unwrap();
        socket.bind(SocketAddr::new(user, 0)).unwrap();
        socket
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let stream = tokio::time::timeout(patience, socket.connect(server)).await;
        stream.ok()?.ok()?.into_std().ok()
    })?;
    stream.set_nonblocking(false).unwrap();
    keep_errors(&stream, server.is_ipv6()).unwrap();
    Some(stream)
}

fn echo(mut stream: &TcpStream, patience: Duration) -> Seen {
    match stream.write_all(b"alive?") {
        Ok(()) => hear(stream, b"alive?", patience),
        Err(error) => refused(&error),
    }
}

/// Waits until `words` come; what came before, and late, does not matter.
fn hear(mut stream: &TcpStream, words: &[u8], patience: Duration) -> Seen {
    let until = Instant::now() + patience;
    let mut heard = Vec::<u8>::new();
    while !heard.windows(words.len()).any(|window| window == words) {
        let left = until.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(MOMENT))).unwrap();
        let mut buffer = [0; 512];
        match stream.read(&mut buffer) {
            Ok(0) => return Seen::Rejected,
            Ok(length) => heard.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return silent_or_refused(stream, &error),
        }
    }
    Seen::Open
}

fn silent_or_refused(stream: &TcpStream, error: &std::io::Error) -> Seen {
    match refused(error) {
        Seen::Blocked if was_refused(stream) => Seen::Rejected,
        seen => seen,
    }
}

fn refused(error: &std::io::Error) -> Seen {
    if error.kind() == ErrorKind::BrokenPipe {
        return Seen::Rejected;
    }
    seen_from(error)
}
