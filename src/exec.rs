//! The one place that runs commands.
//!
//! Tools are found in fixed directories, never through `PATH`; each run has a
//! deadline, and only the end of what a tool prints on standard error is kept.

mod spawn;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub use spawn::Running;
use spawn::wait_until;

/// Directories searched for tools, in this order.
pub const TOOL_DIRS: [&str; 6] = [
    "/usr/sbin",
    "/sbin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
];
/// How much of a tool's standard error is kept, in bytes.
const STDERR_TAIL_BYTES: usize = 16 * 1024;
/// How long a tool may take unless the caller says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);
/// How long a tool may take that applies to the live rules: an interrupt has to wait for it.
pub const LIVE_DEADLINE: Duration = Duration::from_secs(30);

/// Why a tool gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tool is not installed.
    #[error("{tool} is not installed (Debian package: {package})")]
    Missing {
        /// The tool's name.
        tool: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The tool could not be started.
    #[error("{tool} could not be started: {source}")]
    Start {
        /// The tool's path.
        tool: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The tool ran past its deadline and was killed.
    #[error("{tool} did not finish within {seconds} s and was killed")]
    Deadline {
        /// The tool's path.
        tool: String,
        /// The deadline in seconds.
        seconds: u64,
    },
    /// The tool failed.
    #[error("{tool} failed ({status}): {stderr}")]
    Failed {
        /// The tool's path.
        tool: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its standard error, trimmed.
        stderr: String,
    },
}

/// What a tool printed.
#[derive(Debug)]
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error, trimmed.
    pub stderr: String,
}

/// One run of a tool, in the calling thread's network namespace.
#[derive(Debug)]
pub struct Run {
    program: PathBuf,
    args: Vec<std::ffi::OsString>,
    stdin: Vec<u8>,
    envs: Vec<(String, std::ffi::OsString)>,
    deadline: Duration,
    bare: bool,
}

/// The absolute path of `tool`, or which Debian package has it.
///
/// # Errors
/// [`Error::Missing`] when no tool directory has an executable of that name.
pub fn find(tool: &str) -> Result<PathBuf, Error> {
    TOOL_DIRS
        .iter()
        .map(|dir| Path::new(dir).join(tool))
        .find(|path| is_executable(path))
        .ok_or_else(|| Error::Missing {
            tool: tool.to_owned(),
            package: package_of(tool),
        })
}

fn is_executable(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

fn package_of(tool: &str) -> &'static str {
    match tool {
        "nft" => "nftables",
        "ipset" => "ipset",
        "ip" | "ss" => "iproute2",
        "ssh" | "ssh-keygen" => "openssh-client",
        "sshd" => "openssh-server",
        "tmux" => "tmux",
        "screen" => "screen",
        "systemctl" | "systemd-run" => "systemd",
        _ => "iptables",
    }
}

impl Run {
    /// A run of the tool called `tool`.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not installed.
    pub fn tool(tool: &str) -> Result<Self, Error> {
        Ok(Self::path(find(tool)?))
    }

    /// A run of the program at `path`.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            program: path.into(),
            args: Vec::new(),
            stdin: Vec::new(),
            envs: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            bare: false,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<std::ffi::OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// What the tool reads from standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<std::ffi::OsString>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// Kills the tool when it takes longer.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if self.bare {
            command.env_clear();
        }
        command
            .args(&self.args)
            .env("LC_ALL", "C")
            .env("PATH", TOOL_DIRS.join(":"));
        for (name, value) in &self.envs {
            command.env(name, value);
        }
        command
    }

    /// Runs the tool to its end, whatever its exit status.
    ///
    /// # Errors
    /// [`Error::Start`] or [`Error::Deadline`].
    pub fn output(self) -> Result<Output, Error> {
        let tool = self.program.display().to_string();
        let start = |source| Error::Start {
            tool: tool.clone(),
            source,
        };
        let until = Instant::now() + self.deadline;
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(start)?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(start(std::io::ErrorKind::BrokenPipe.into()));
        };
        let input = self.stdin;
        // A tool that stops reading early is judged by its exit status.
        thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = collect(stdout);
        let stderr = collect(stderr);
        let Some(status) = wait_until(&mut child, until).map_err(start)? else {
            return Err(Error::Deadline {
                tool,
                seconds: self.deadline.as_secs(),
            });
        };
        let left = || until.saturating_duration_since(Instant::now()) + Duration::from_millis(100);
        let stdout = stdout.recv_timeout(left()).unwrap_or_default();
        let stderr = stderr.recv_timeout(left()).unwrap_or_default();
        let tail = &stderr[stderr.len().saturating_sub(STDERR_TAIL_BYTES)..];
        Ok(Output {
            status,
            stdout,
            stderr: String::from_utf8_lossy(tail).trim().to_owned(),
        })
    }

    /// Runs the tool and insists on exit status 0; returns its standard output.
    ///
    /// # Errors
    /// As [`Run::output`], and [`Error::Failed`].
    pub fn success(self) -> Result<Vec<u8>, Error> {
        let tool = self.program.display().to_string();
        let output = self.output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let stderr = if output.stderr.is_empty() {
            "it printed no reason".to_owned()
        } else {
            output.stderr
        };
        Err(Error::Failed {
            tool,
            status: output.status,
            stderr,
        })
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// `status` in words: `exit status 2`, `killed by signal 9`.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    }
}
