//! ssh from the user's host to the machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use super::client::Client;
use super::command::{Output, eventually, run};
use super::machine::Machine;
use super::session::Session;
use super::spec::write_below;
use super::ssh::{Held, prepare};
use super::terminal::Terminal;
use super::{MACHINE, MACHINE_V6};

/// How to log in.
#[derive(Debug, Clone)]
pub struct Login<'machine> {
    machine: &'machine Machine,
    user: &'static str,
    address: &'static str,
    options: Vec<String>,
}

impl Machine {
    /// Logins of `user` over connections of their own: `root`, `alice` (who may use sudo), `bob`.
    pub fn login(&self, user: &'static str) -> Login<'_> {
        Login {
            machine: self,
            user,
            address: MACHINE,
            options: Vec::new(),
        }
    }

    /// Runs a command as root over a new connection.
    pub fn ssh(&self, command: &str) -> Output {
        self.login("root").run(command)
    }

    /// Whether a new login works.
    pub fn can_login(&self) -> bool {
        self.ssh("true").code == 0
    }

    /// Runs a command on the machine's console, with its events as they come.
    pub fn start_on_console(&self, command: &str) -> Client {
        Client::start(self.on_console("bash").args(["-c", command]))
    }

    /// Makes a key and lets it in to every account.
    pub(super) fn authorize_key(&self, root: &Path) {
        let key = self.place().file("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        run(keygen.arg(&key)).exits(0);
        let public = fs::read(key.with_extension("pub")).unwrap();
        // The accounts that rootfs.sh makes, in this order.
        for (home, id) in [("root", 0), ("home/alice", 1000), ("home/bob", 1001)] {
            let file = format!("{home}/.ssh/authorized_keys");
            write_below(root, &file, &public);
            let dir = root.join(home).join(".ssh");
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
            for path in [dir, root.join(file)] {
                chown(path, Some(id), Some(id)).unwrap();
            }
        }
    }
}

impl Login<'_> {
    /// Over IPv6.
    pub fn v6(mut self) -> Self {
        self.address = MACHINE_V6;
        self
    }

    /// Further options of ssh.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, command: &str) -> Output {
        run(self.ssh().arg(command))
    }

    /// Starts `safe-apply --json …` (or what wraps it), with its events as they come.
    pub fn start(&self, command: &str) -> Client {
        Client::start(self.ssh().arg(command))
    }

    /// A shell without a terminal that stays: one command after the other.
    pub fn session(&self) -> Session {
        Session::open(self.ssh().arg("exec bash --norc --noprofile"))
    }

    /// A login shell on a terminal, as a person has it.
    pub fn terminal(&self) -> Terminal {
        let mut ssh = self.clone().options(&["-tt"]).ssh();
        Terminal::open(ssh.env("TERM", "xterm"))
    }

    /// Opens a connection that later logins with `-S` and this path share.
    #[track_caller]
    pub fn master(&self, name: &str) -> (Held, String) {
        let path = self.machine.place().file(name);
        let mut ssh = self
            .clone()
            .options(&["-M", "-N", "-S", path.to_str().unwrap()])
            .ssh();
        let held = Held(ssh.stdin(Stdio::null()).spawn().unwrap());
        eventually("the shared connection is open", || path.exists());
        (held, path.to_str().unwrap().to_owned())
    }

    /// The command line, up to the command to run over there.
    pub fn ssh(&self) -> Command {
        let mut ssh = self.machine.place().on_users_host("ssh");
        let key = self.machine.place().file("key");
        prepare(&mut ssh, &self.options, &key, self.user, self.address);
        ssh
    }
}
