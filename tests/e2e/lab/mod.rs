//! A server and a client in namespaces of their own.
//!
//! The server has its own network, mounts and process tree: private `/etc`, `/run`, `/var/lib`,
//! `/root` and `/tmp`, so that safe-apply works in its real places and accounts can be made.
//! Its first process reads from a pipe that this process holds: when the test ends in any
//! way, it reads end of file, exits, and the kernel kills everything in its process tree.

mod client;
mod command;
mod login;
mod processes;
mod saves;
mod session;
mod ssh;
mod states;
mod traffic;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub use client::Client;
pub use command::{Output, eventually, run};
pub use processes::Process;
pub use saves::{Saves, assert_same};
pub use session::Session;

/// The server's addresses and the client's.
pub const SERVER: &str = "198.51.100.2";
pub const SERVER_V6: &str = "2001:db8::2";
pub const CLIENT: &str = "198.51.100.1";
pub const CLIENT_TOO: &str = "198.51.100.3";
pub const CLIENT_V6: &str = "2001:db8::1";
/// The lab's directory as the server sees it.
pub const SHARE: &str = "/run/lab";

/// What `iptables` is on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Nft,
    Legacy,
}

impl Backend {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        }
    }
}

/// Runs each test function once per backend.
macro_rules! on_both_backends {
    ($($test:ident),+ $(,)?) => {
        mod iptables_nft {
            $(#[test] fn $test() { super::$test(crate::lab::Backend::Nft); })+
        }
        mod iptables_legacy {
            $(#[test] fn $test() { super::$test(crate::lab::Backend::Legacy); })+
        }
    };
}
pub(crate) use on_both_backends;

/// A server, a client, the wire between them; all gone when dropped.
#[derive(Debug)]
pub struct Lab {
    dir: tempfile::TempDir,
    server: Child,
    client: Child,
    /// The server's first process, as seen from here.
    init: i32,
}

impl Lab {
    /// A server with sshd on ports 22 and 2222, no rules, and the accounts root, alice and bob.
    pub fn new(backend: Backend) -> Self {
        let lab = Self::offline(backend);
        lab.wire();
        let script = lab.file("sshd.sh", include_str!("sshd.sh"));
        let done = lab.server(&format!("bash {script}"));
        assert_eq!(done.code, 0, "sshd did not start: {done:?}");
        lab
    }

    /// A server without any network, so that no packet moves a counter.
    pub fn offline(backend: Backend) -> Self {
        assert!(rustix::process::geteuid().is_root(), "the lab needs root");
        let dir = tempfile::tempdir().expect("a directory for the lab");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let client = holder(&["--net"], &["cat"]);
        let path = dir.path().to_str().unwrap();
        let script = format!("{path}/init.sh");
        fs::write(&script, include_str!("init.sh")).unwrap();
        let server = holder(
            &[
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ],
            &[
                "bash",
                &script,
                path,
                env!("CARGO_BIN_EXE_safe-apply"),
                backend.name(),
            ],
        );
        let mut lab = Self {
            dir,
            server,
            client,
            init: 0,
        };
        eventually("the server is up", || lab.dir.path().join("up").exists());
        lab.init = processes::only_child(lab.server.id());
        lab
    }

    /// Lays the wire between server and client.
    fn wire(&self) {
        let (server, client) = (self.init.to_string(), self.client.id().to_string());
        let link = ["link", "add", "wan0", "netns", &client, "type", "veth"];
        let peer = ["peer", "name", "lan0", "netns", &server];
        let done = run(Command::new("ip").args(link).args(peer));
        assert_eq!(done.code, 0, "no veth pair: {done:?}");
        for (process, device, addresses) in [
            (&server, "lan0", [SERVER, SERVER_V6].as_slice()),
            (&client, "wan0", &[CLIENT, CLIENT_TOO, CLIENT_V6]),
        ] {
            let mut script = format!("set -e; ip link set lo up; ip link set {device} up\n");
            for address in addresses {
                let tail = if address.contains(':') {
                    "/64 nodad"
                } else {
                    "/24"
                };
                script += &format!("ip address add {address}{tail} dev {device}\n");
            }
            let inside = ["-t", process, "-n", "--", "sh", "-c", &script];
            let done = run(Command::new("nsenter").args(inside));
            assert_eq!(done.code, 0, "no network: {done:?}");
        }
    }

    /// Runs a shell command on the server, as root on its console.
    pub fn server(&self, command: &str) -> Output {
        run(self.on_console("bash").args(["-c", command]))
    }

    /// A command that will run on the server.
    pub fn on_console(&self, program: &str) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args([
                "-t",
                &self.init.to_string(),
                "-n",
                "-m",
                "-p",
                "--",
                program,
            ])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/root");
        nsenter
    }

    /// A shell that outlives the server's processes, and sees its mounts.
    pub fn outside(&self) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &self.init.to_string(), "-m", "--", "sh"]);
        nsenter
    }

    /// A command that will run on the client's side.
    pub fn on_client(&self, program: &str) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args(["-t", &self.client.id().to_string(), "-n", "--", program])
            .env_remove("SSH_AUTH_SOCK");
        nsenter
    }

    /// Where `name` in the lab's directory is for this process.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a file into the lab's directory; returns its path on the server.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        Path::new(SHARE).join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for holder in [&mut self.server, &mut self.client] {
            drop(holder.stdin.take());
        }
        // The server's `unshare` ends once every process of its tree is dead.
        for holder in [&mut self.server, &mut self.client] {
            let _ = holder.wait();
        }
    }
}

/// Starts a process that keeps namespaces alive for as long as we hold its standard input.
fn holder(namespaces: &[&str], command: &[&str]) -> Child {
    Command::new("unshare")
        .args(namespaces)
        .arg("--")
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("unshare (util-linux) starts")
}
