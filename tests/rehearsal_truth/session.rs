//! The session that is open across the change, and new logins: over plain TCP or over ssh.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use safe_apply::rehearsal::Protocol;

use crate::lab::{Lab, device, feed};
use crate::probe::{PATIENT, QUICK, Question, Seen, keep_errors, seen_from, was_refused};

/// How long a login may take; one that is blocked before there is a connection ends after 2 s.
const LOGIN_SECONDS: u32 = 8;
/// How long a session may last.
const SESSION_SECONDS: u32 = 120;
/// The shortest time that a socket waits.
const MOMENT: Duration = Duration::from_millis(1);
/// What `timeout` tells by its exit status.
const TIMED_OUT: &str = "exit status: 124";

/// What answers on the login port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A service that sends back what it gets: quick.
    Echo,
    /// A real sshd, and real ssh.
    Ssh,
}

/// One session of the user.
pub enum Session {
    Echo(TcpStream),
    Ssh(Shell),
}

/// An ssh with `cat` at the far end.
pub struct Shell {
    child: Child,
    lines: Receiver<String>,
    spoken: u32,
}

/// A running sshd; ends when dropped.
pub struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Session {
    /// Opens a session as the user; `None` where the rules do not let that happen.
    pub fn open(lab: &Lab, front: Front, user: IpAddr, server: SocketAddr) -> Option<Self> {
        lab.appear(user);
        let session = match front {
            Front::Echo => Self::Echo(connect(lab, user, server)?),
            Front::Ssh => Self::Ssh(Shell::start(lab, user, server)),
        };
        let mut session = session;
        (session.types() == Seen::Open).then_some(session)
    }

    /// The user's port, where it is known.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Echo(stream) => Some(stream.local_addr().unwrap().port()),
            Self::Ssh(_) => None,
        }
    }

    /// Whether data still goes both ways: first what the host says, as it does when rules are
    /// applied over that session, then what the user types.
    pub fn alive(&mut self, lab: &Lab, patience: Duration) -> Seen {
        match self {
            Self::Echo(stream) => {
                lab.server.say(b"listen");
                let heard = hear(stream, b"listen", patience);
                let typed = echo(stream, patience);
                if typed == Seen::Open { heard } else { typed }
            }
            Self::Ssh(shell) => {
                let patience = patience.max(PATIENT);
                let heard = shell.listen(lab, patience);
                let typed = shell.echo(patience);
                if typed == Seen::Open { heard } else { typed }
            }
        }
    }

    /// Only what the user types: whether there is a session at all.
    fn types(&mut self) -> Seen {
        match self {
            Self::Echo(stream) => echo(stream, QUICK),
            Self::Ssh(shell) => shell.echo(PATIENT),
        }
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
        Front::Ssh => {
            let mut ssh = ssh(lab, LOGIN_SECONDS, user, server);
            let done = lab.in_world(|| feed(ssh.arg("true"), ""));
            match done {
                Ok(_) => Seen::Open,
                Err(said) if said.contains("timed out") || said.contains(TIMED_OUT) => {
                    Seen::Blocked
                }
                Err(said) => {
                    let rejections = ["refused", "unreachable", "No route", "reset", "denied"];
                    let rejected = rejections.iter().any(|word| said.contains(word));
                    assert!(rejected && !said.contains("publickey"), "{said}");
                    Seen::Rejected
                }
            }
        }
    }
}

fn connect(lab: &Lab, user: IpAddr, server: SocketAddr) -> Option<TcpStream> {
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
        let stream = tokio::time::timeout(QUICK, socket.connect(server)).await;
        stream.ok()?.ok()?.into_std().ok()
    })?;
    stream.set_nonblocking(false).unwrap();
    keep_errors(&stream, server.is_ipv6()).unwrap();
    Some(stream)
}

fn echo(stream: &mut TcpStream, patience: Duration) -> Seen {
    match stream.write_all(b"alive?") {
        Ok(()) => hear(stream, b"alive?", patience),
        Err(error) => refused(&error),
    }
}

/// Waits until `words` come; what came before, and late, does not matter.
fn hear(stream: &mut TcpStream, words: &[u8], patience: Duration) -> Seen {
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

/// An ssh from the user's address, without its command, that ends within some seconds.
pub fn ssh(lab: &Lab, seconds: u32, user: IpAddr, server: SocketAddr) -> Command {
    let mut ssh = Command::new("timeout");
    ssh.arg(seconds.to_string())
        .args(["ssh", "-F", "none", "-B", device(user), "-b"])
        .arg(user.to_string());
    for option in [
        "ControlPath=none",
        "BatchMode=yes",
        "ConnectTimeout=2",
        "UserKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=no",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "LogLevel=ERROR",
    ] {
        ssh.args(["-o", option]);
    }
    ssh.env_remove("SSH_AUTH_SOCK")
        .arg("-i")
        .arg(lab.path("key"))
        .args(["-l", "root", "-p"])
        .arg(server.port().to_string())
        .arg(server.ip().to_string());
    ssh
}

/// Starts sshd on port 22 of the host.
pub fn sshd(lab: &Lab) -> Sshd {
    for key in ["host_key", "key"] {
        let mut keygen = lab.command("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        feed(keygen.arg(lab.path(key)), "").unwrap();
    }
    let dir = lab.path("");
    let dir = dir.display();
    let config = format!(
        "Port 22\nHostKey {dir}host_key\nAuthorizedKeysFile {dir}key.pub\nUsePAM no\nStrictModes no\n\
         PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         UseDNS no\nMaxStartups 100\nPidFile none\n\
         SetEnv SAFE_APPLY_STATE_DIR={dir}state SAFE_APPLY_RUN_DIR={dir}state-run SAFE_APPLY_CONFIG={dir}none\n"
    );
    let config = lab.file("sshd_config", &config);
    let mut command = lab.command("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(config);
    let log = std::fs::File::create(lab.path("sshd.log")).unwrap();
    let child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
    let sshd = Sshd(child);
    let until = Instant::now() + Duration::from_secs(20);
    // It says so in its log.
    let log = || std::fs::read_to_string(lab.path("sshd.log")).unwrap();
    while log().matches("Server listening").count() < 2 {
        assert!(Instant::now() < until, "sshd does not listen: {}", log());
        thread::sleep(Duration::from_millis(5));
    }
    sshd
}

impl Shell {
    fn start(lab: &Lab, user: IpAddr, server: SocketAddr) -> Self {
        let mut ssh = ssh(lab, SESSION_SECONDS, user, server);
        let said = lab.file("said", "");
        ssh.arg(format!("tail -n 0 -f {} & exec cat", said.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = lab.in_world(|| ssh.stderr(Stdio::null()).spawn().unwrap());
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            spoken: 0,
        }
    }

    fn listen(&self, lab: &Lab, patience: Duration) -> Seen {
        let word = format!("listen {}", self.spoken);
        let said = OpenOptions::new().append(true).open(lab.path("said"));
        writeln!(said.unwrap(), "{word}").unwrap();
        self.hear(&word, patience)
    }

    fn echo(&mut self, patience: Duration) -> Seen {
        self.spoken += 1;
        let word = format!("alive {}", self.spoken);
        let stdin = self.child.stdin.as_mut().unwrap();
        let said = writeln!(stdin, "{word}").and_then(|()| stdin.flush());
        if said.is_err() {
            return Seen::Rejected;
        }
        self.hear(&word, patience)
    }

    fn hear(&self, word: &str, patience: Duration) -> Seen {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line == word => return Seen::Open,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Seen::Blocked,
                // ssh ended.
                Err(RecvTimeoutError::Disconnected) => return Seen::Rejected,
            }
        }
    }
}
