//! Two network namespaces, a real sshd in one, real ssh in the other.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use rustix::process::{Pid, Signal, kill_process};
use safe_apply::connection::{self, Known, Refusal, Tuple, Verdict};
use safe_apply::netns::NetNs;
use tempfile::TempDir;

pub const SERVER_V4: &str = "198.51.100.2";
pub const SERVER_V6: &str = "2001:db8::2";
const PATIENCE: Duration = Duration::from_secs(30);
/// Bounds the life of what is started, should the test itself be killed.
const LIFE_SECONDS: &str = "240";

pub struct Lab {
    pub server: NetNs,
    pub client: NetNs,
    dir: TempDir,
    sshd: Option<Child>,
}

/// Polls until `look` finds something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a tool in the calling thread's network namespace.
pub fn tool(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(
        done.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

impl Lab {
    /// Namespaces joined by a veth pair; sshd on ports 22 and 2222.
    pub fn new() -> Self {
        let mut lab = Self {
            server: NetNs::scratch().unwrap(),
            client: NetNs::scratch().unwrap(),
            dir: tempfile::tempdir().unwrap(),
            sshd: None,
        };
        lab.join();
        lab.write_files();
        let sshd = lab
            .server
            .enter(|| lab.sshd_command("-D -e").spawn().unwrap());
        lab.sshd = Some(sshd.unwrap());
        eventually("sshd to listen", || {
            let ports = lab.in_server(|| connection::listening().unwrap());
            (ports.contains(&22) && ports.contains(&2222)).then_some(())
        });
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn in_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.server.enter(work).unwrap()
    }

    fn join(&self) {
        let hold = || Command::new("sleep").arg(LIFE_SECONDS).spawn().unwrap();
        let mut holder = self.client.enter(hold).unwrap();
        self.in_server(|| {
            tool("ip link set lo up");
            let peer = holder.id();
            tool(&format!(
                "ip link add v0 type veth peer name v1 netns {peer}"
            ));
            tool(&format!("ip addr add {SERVER_V4}/24 dev v0"));
            tool(&format!("ip addr add {SERVER_V6}/64 dev v0 nodad"));
            tool("ip link set v0 up");
        });
        let configure = || {
            tool("ip addr add 198.51.100.7/24 dev v1");
            tool("ip addr add 2001:db8::7/64 dev v1 nodad");
            tool("ip link set v1 up");
        };
        self.client.enter(configure).unwrap();
        holder.kill().unwrap();
        holder.wait().unwrap();
    }

    /// Keys, configuration, and the account files that only this sshd sees.
    fn write_files(&self) {
        for key in ["host", "id"] {
            let path = self.path(key);
            let mut keygen = Command::new("ssh-keygen");
            keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path);
            assert!(keygen.status().unwrap().success());
        }
        fs::copy(self.path("id.pub"), self.path("authorized")).unwrap();
        let dir = self.dir.path().display();
        let config = format!(
            "HostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nPidFile none\nListenAddress {SERVER_V4}:22\n\
             ListenAddress {SERVER_V4}:2222\nListenAddress [{SERVER_V6}]:22\n\
             ListenAddress 127.0.0.1:22\nGatewayPorts clientspecified\nSetEnv SCREENDIR={dir}/screen\n"
        );
        fs::write(self.path("config"), config).unwrap();
        let with = |file: &str, line: &str| {
            let mut text = fs::read_to_string(Path::new("/etc").join(file)).unwrap_or_default();
            text.push_str(line);
            fs::write(self.path(file), text).unwrap();
        };
        with("passwd", "bob:x:4242:4242::/:/bin/sh\n");
        with("shadow", "bob:*:19000:0:99999:7:::\n");
        fs::write(self.path("sudoers"), "ALL ALL=(ALL) NOPASSWD: ALL\n").unwrap();
        tool(&format!("chmod 0440 {dir}/sudoers"));
        tool(&format!("chmod 0755 {dir}"));
        fs::create_dir(self.path("screen")).unwrap();
        tool(&format!("chmod 0700 {dir}/screen"));
    }

    /// sshd in a mount namespace with its own accounts and its own /run.
    pub fn sshd_command(&self, options: &str) -> Command {
        let dir = self.dir.path().display();
        let script = format!(
            "for f in passwd shadow sudoers; do mount --bind {dir}/$f /etc/$f || exit; done
             mount -t tmpfs run /run && mkdir -m 0755 /run/sshd &&
             exec /usr/sbin/sshd {options} -f {dir}/config 2>>{dir}/log"
        );
        let mut command = Command::new("timeout");
        command.args([LIFE_SECONDS, "unshare", "--mount", "sh", "-c", &script]);
        command
    }

    /// Serves one connection to a dual-stack socket, as a super-server with `sshd -i` would.
    pub fn serve_dual_stack(&self, port: u16) -> Child {
        self.in_server(|| {
            let listener = TcpListener::bind(("::", port)).unwrap();
            let mut command = self.sshd_command("-i -e");
            let wait = std::thread::spawn(move || {
                let (socket, _) = listener.accept().unwrap();
                let socket = OwnedFd::from(socket);
                command.stdin(socket.try_clone().unwrap()).stdout(socket);
                command.spawn().unwrap()
            });
            wait.join().unwrap()
        })
    }

    /// The ssh command line, up to the command to run over there.
    pub fn ssh(&self, options: &str, user: &str, address: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args([LIFE_SECONDS, "ssh", "-F", "none", "-o", "BatchMode=yes"]);
        command.args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ]);
        command
            .args(["-o", "LogLevel=ERROR", "-i"])
            .arg(self.path("id"));
        command.args(options.split_whitespace());
        command
            .arg(format!("{user}@{address}"))
            .env("TERM", "xterm");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Logs in from `from` and runs `script`, which prints a process number and stays.
    pub fn login_from(&self, from: &NetNs, mut ssh: Command, script: &str) -> Session {
        let mut child = from.enter(|| ssh.arg(script).spawn().unwrap()).unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
        let pid = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("no login: {line:?} {}", log()));
        Session {
            pid,
            child,
            _output: Some(output),
        }
    }

    /// A plain login of root over IPv4.
    pub fn login(&self) -> Session {
        self.login_from(&self.client, self.ssh("-S none", "root", SERVER_V4), STAY)
    }

    /// Starts a program on a terminal over there.
    pub fn terminal(&self, command: &str) -> Session {
        let mut ssh = self.ssh("-S none -tt", "root", SERVER_V4);
        let child = self.client.enter(|| {
            let ssh = ssh.stdout(Stdio::null());
            ssh.arg(command).spawn().unwrap()
        });
        Session {
            pid: 0,
            child: child.unwrap(),
            _output: None,
        }
    }

    pub fn record(&self) -> Known {
        self.in_server(|| Known::record().unwrap())
    }

    pub fn judge(&self, pid: i32, known: &Known, applying: Option<&Tuple>) -> Verdict {
        self.in_server(|| connection::judge(Path::new("/proc"), pid, known, applying).unwrap())
    }

    pub fn refusal(&self, pid: i32, known: &Known) -> Refusal {
        match self.judge(pid, known, None) {
            Verdict::Refused(refusal) => refusal,
            Verdict::New {
                connection, via, ..
            } => panic!("accepted over {connection}, {via}"),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(sshd) = &mut self.sshd {
            stop(sshd);
        }
    }
}

/// Prints the shell's own number, then stays until the connection ends.
pub const STAY: &str = "echo $$; exec cat";

/// A login from the other side; ends when dropped.
pub struct Session {
    /// The process over there.
    pub pid: i32,
    child: Child,
    _output: Option<BufReader<ChildStdout>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Ends a `timeout` and, through it, what it runs.
pub fn stop(child: &mut Child) {
    let pid = Pid::from_child(child);
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::TERM);
    let _ = child.wait();
}

/// Ends a process of the lab's that no session ends.
pub fn end(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
}

/// A connection with a source port of one's choice, which is reset when dropped, so that the
/// port is free again at once.
pub fn connect_from(from: SocketAddr, to: SocketAddr) -> OwnedFd {
    let fd = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    sockopt::set_socket_reuseaddr(&fd, true).unwrap();
    sockopt::set_socket_linger(&fd, Some(Duration::ZERO)).unwrap();
    bind(&fd, &from).unwrap();
    // A child that is just being started may hold the port's last socket a moment longer.
    eventually("the port", || connect(&fd, &to).ok());
    fd
}
