//! Children that run beside their parent.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{Error, Run};

/// How long a killed child may take to leave the kernel.
const KILLED_MAX: Duration = Duration::from_secs(5);

/// A child that runs; killed and reaped when this value goes.
#[derive(Debug)]
pub struct Running {
    tool: String,
    child: Child,
}

impl Run {
    /// Starts from an empty environment, but for what [`Run::env`] adds.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Starts the tool with this process's own standard streams.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub fn attached(self) -> Result<Running, Error> {
        let child = self.command().spawn();
        self.started(child)
    }

    /// Starts the tool with pipes for standard input and output; standard error is discarded.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub fn piped(self) -> Result<Running, Error> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        self.started(command.spawn())
    }

    /// Starts the tool with all its standard streams on `connection`, as a super-server does.
    ///
    /// # Errors
    /// [`Error::Start`].
    pub fn on_connection(self, connection: TcpStream) -> Result<Running, Error> {
        let mut command = self.command();
        let connection = OwnedFd::from(connection);
        let copies = connection
            .try_clone()
            .and_then(|one| Ok((one, connection.try_clone()?)));
        let spawned = copies.and_then(|(output, errors)| {
            command.stdin(connection).stdout(output).stderr(errors);
            command.spawn()
        });
        self.started(spawned)
    }

    fn started(self, child: std::io::Result<Child>) -> Result<Running, Error> {
        let tool = self.program.display().to_string();
        match child {
            Ok(child) => Ok(Running { tool, child }),
            Err(source) => Err(Error::Start { tool, source }),
        }
    }
}

impl Running {
    /// The pipes to its standard input and from its standard output; `None` when it has
    /// none or they were taken.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.child.stdin.take()?, self.child.stdout.take()?))
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// What `waitpid(2)` says.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end; kills it when that takes longer than `deadline`.
    ///
    /// # Errors
    /// [`Error::Deadline`]; [`Error::Start`] when it cannot be waited for.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, Error> {
        match wait_until(&mut self.child, Instant::now() + deadline) {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(Error::Deadline {
                tool: self.tool.clone(),
                seconds: deadline.as_secs(),
            }),
            Err(source) => Err(Error::Start {
                tool: self.tool.clone(),
                source,
            }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is only reaped.
        let _ = self.child.kill();
        let _ = ended_by(&mut self.child, Instant::now() + KILLED_MAX);
    }
}

/// Waits for `child` by its pidfd; kills it at `until` and then says `None`.
pub(super) fn wait_until(child: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
    if let Some(status) = ended_by(child, until)? {
        return Ok(Some(status));
    }
    child.kill()?;
    // One that hangs in the kernel, on a disk that does not answer, stays unreaped.
    ended_by(child, Instant::now() + KILLED_MAX)?;
    Ok(None)
}

fn ended_by(child: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout = Timespec::try_from(left).ok();
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
