//! Real sshd and real ssh.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Lab, device, feed};
use crate::probe::Seen;

/// How long a login may take; one that is blocked before there is a connection ends after 2 s.
const LOGIN_SECONDS: u32 = 8;
/// How long a session may last.
const SESSION_SECONDS: u32 = 120;
/// What `timeout` tells by its exit status.
const TIMED_OUT: &str = "exit status: 124";

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

/// A new login.
pub fn log_in(lab: &Lab, user: IpAddr, server: SocketAddr) -> Seen {
    let mut ssh = ssh(lab, LOGIN_SECONDS, user, server);
    match lab.in_world(|| feed(ssh.arg("true"), "")) {
        Ok(_) => Seen::Open,
        Err(said) if said.contains("timed out") || said.contains(TIMED_OUT) => Seen::Blocked,
        Err(said) => {
            let rejections = ["refused", "unreachable", "No route", "reset", "denied"];
            let rejected = rejections.iter().any(|word| said.contains(word));
            assert!(rejected && !said.contains("publickey"), "{said}");
            Seen::Rejected
        }
    }
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

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shell {
    pub fn start(lab: &Lab, user: IpAddr, server: SocketAddr) -> Self {
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

    pub fn listen(&self, lab: &Lab, patience: Duration) -> Seen {
        let word = format!("listen {}", self.spoken);
        let said = OpenOptions::new().append(true).open(lab.path("said"));
        writeln!(said.unwrap(), "{word}").unwrap();
        self.hear(&word, patience)
    }

    pub fn echo(&mut self, patience: Duration) -> Seen {
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
