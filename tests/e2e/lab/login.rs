//! ssh from the client to the server.

use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use super::command::run_reading;
use super::ssh::{Held, prepare};
use super::{Client, Lab, Output, SERVER, SERVER_V6, Session, eventually, run};

/// How to log in.
#[derive(Debug, Clone)]
pub struct Login<'lab> {
    lab: &'lab Lab,
    user: &'static str,
    address: &'static str,
    options: Vec<String>,
}

impl Lab {
    /// A login as root over a connection of its own.
    pub fn login(&self) -> Login<'_> {
        Login {
            lab: self,
            user: "root",
            address: SERVER,
            options: Vec::new(),
        }
    }

    /// Runs a command as root over a new connection.
    pub fn ssh(&self, command: &str) -> Output {
        self.login().run(command)
    }

    /// Whether a new login works.
    pub fn can_login(&self) -> bool {
        self.ssh("true").code == 0
    }

    /// Runs a command on the server's console, with events as they come.
    pub fn console(&self, command: &str) -> Client {
        Client::start(self.on_console("bash").args(["-c", command]))
    }
}

impl Login<'_> {
    /// Another account.
    pub fn user(mut self, user: &'static str) -> Self {
        self.user = user;
        self
    }

    /// Over IPv6.
    pub fn v6(mut self) -> Self {
        self.address = SERVER_V6;
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

    /// The account's own shell, which is told to exit.
    #[track_caller]
    pub fn shell(&self) -> Output {
        let mut typed = tempfile::tempfile().unwrap();
        typed.write_all(b"exit\n").unwrap();
        typed.rewind().unwrap();
        run_reading(&mut self.ssh(), typed)
    }

    /// Starts `safe-apply --json …` (or what wraps it), with events as they come.
    pub fn start(&self, command: &str) -> Client {
        Client::start(self.ssh().arg(command))
    }

    /// A shell that stays.
    pub fn session(&self) -> Session {
        Session::open(self.ssh().arg("exec bash --norc --noprofile"))
    }

    /// Opens a connection that later logins with `-S` and this path share.
    #[track_caller]
    pub fn master(&self, name: &str) -> (Held, String) {
        let path = self.lab.path(name);
        let mut ssh = self
            .clone()
            .options(&["-M", "-N", "-S", path.to_str().unwrap()])
            .ssh();
        let held = Held(ssh.stdin(Stdio::null()).spawn().unwrap());
        eventually("the shared connection is open", || path.exists());
        (held, path.to_str().unwrap().to_owned())
    }

    /// Runs a command with a terminal that nobody reads.
    pub fn on_terminal(&self, command: &str) -> Held {
        let mut ssh = self.clone().options(&["-tt"]).ssh();
        ssh.arg(command)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        Held(ssh.spawn().unwrap())
    }

    fn ssh(&self) -> Command {
        let mut ssh = self.lab.on_client("ssh");
        let key = self.lab.path("key");
        prepare(&mut ssh, &self.options, &key, self.user, self.address);
        ssh
    }
}
