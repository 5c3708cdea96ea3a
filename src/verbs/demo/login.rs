//! Logins from the client to the server: over real ssh where that can be, else over a stand-in.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::network::{SERVER, Server};
use super::sshd::Sshd;
use super::stand_in::StandIn;
use crate::exec::{Run, Running};

/// How long anything that ends by itself may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Comes before the exit status, after what a command printed.
const END: &str = "=== exit status ";

/// How one logs in to the server.
#[derive(Debug)]
pub enum Logins {
    /// OpenSSH.
    Ssh(Sshd),
    /// Plain TCP, because of what the text says.
    StandIn(StandIn, String),
}

/// What a command printed, both streams, and its exit status.
#[derive(Debug)]
pub struct Answer {
    /// Exit status; 255 where there was no login, as with ssh.
    pub status: i32,
    /// Standard output, then standard error.
    pub printed: String,
}

impl Logins {
    /// Starts an ssh server, or the stand-in where there can be none.
    pub fn start(server: &Arc<Server>) -> Result<Self> {
        match Sshd::start(server) {
            Ok(sshd) => Ok(Self::Ssh(sshd)),
            Err(error) => {
                let stand_in = StandIn::start(server)?;
                Ok(Self::StandIn(stand_in, format!("{error:#}")))
            }
        }
    }

    /// What is typed on the client for a login that runs `command`.
    pub fn typed(&self, command: &str) -> String {
        let login = match self {
            Self::Ssh(_) => "ssh root@",
            Self::StandIn(..) => "tcp-login ",
        };
        format!("{login}{SERVER} {command}").trim_end().to_owned()
    }

    /// Logs in anew, runs `command`, logs out; gives up when no connection comes about in `patience`.
    pub fn once(&self, command: &str, patience: Duration) -> Result<Answer> {
        match self {
            Self::Ssh(sshd) => sshd.once(command, patience),
            Self::StandIn(..) => match StandIn::connect(patience) {
                Ok(connection) => Shell::over_tcp(connection)?.run(command),
                Err(error) => Ok(Answer {
                    status: 255,
                    printed: format!("connect to {SERVER}: {error}"),
                }),
            },
        }
    }

    /// Logs in and stays.
    pub fn stay(&self) -> Result<Shell> {
        let mut shell = match self {
            Self::Ssh(sshd) => Shell::over_ssh(sshd.command("exec sh")?)?,
            Self::StandIn(..) => {
                let connection = StandIn::connect(PATIENCE).context("no login")?;
                Shell::over_tcp(connection)?
            }
        };
        let answer = shell.run("cd /run/demo/root")?;
        if answer.status != 0 {
            bail!("a login to the server fails: {}", answer.printed);
        }
        Ok(shell)
    }
}

/// A shell on the server; the connection ends with this value.
pub struct Shell {
    input: Box<dyn Write>,
    lines: Receiver<String>,
    /// Ends with the session.
    _ssh: Option<Running>,
}

impl Shell {
    fn new(
        input: impl Write + 'static,
        output: impl Read + Send + 'static,
        ssh: Option<Running>,
    ) -> Self {
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            input: Box::new(input),
            lines,
            _ssh: ssh,
        }
    }

    fn over_ssh(ssh: Run) -> Result<Self> {
        let mut ssh = ssh.piped()?;
        let (input, output) = ssh.pipes().context("ssh has no pipes")?;
        Ok(Self::new(input, output, Some(ssh)))
    }

    fn over_tcp(connection: std::net::TcpStream) -> Result<Self> {
        Ok(Self::new(connection.try_clone()?, connection, None))
    }

    /// Starts `command`; the lines that it prints are read with the other methods.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        let line = format!("{{ {command}\n}} </dev/null 2>&1; echo \"{END}$?\"\n");
        self.input
            .write_all(line.as_bytes())
            .and_then(|()| self.input.flush())
            .with_context(|| format!("the session ended before '{command}'"))
    }

    /// Runs `command` to its end.
    pub fn run(&mut self, command: &str) -> Result<Answer> {
        self.begin(command)?;
        let mut printed = String::new();
        let status = self.each(PATIENCE, |line| {
            printed.push_str(line);
            printed.push('\n');
            true
        })?;
        Ok(Answer {
            status: status.unwrap_or_default(),
            printed,
        })
    }

    /// Shows each line to `see` until that says `false`; the exit status if the command ended.
    pub fn each(
        &self,
        patience: Duration,
        mut see: impl FnMut(&str) -> bool,
    ) -> Result<Option<i32>> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(status) = line.strip_prefix(END) {
                        return Ok(Some(status.trim().parse()?));
                    }
                    if !see(&line) {
                        return Ok(None);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "a session on the server was silent for {} s",
                        patience.as_secs()
                    )
                }
                Err(RecvTimeoutError::Disconnected) => bail!("a session on the server broke"),
            }
        }
    }
}
