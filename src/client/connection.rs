//! The control socket, from the client's side.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guardian::socket_path;
use crate::paths::Paths;
use crate::protocol::{Reply, Request, Status};

/// How long the guardian may take for an answer; reading back 100,000 rules takes seconds.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// A connection to the guardian.
#[derive(Debug)]
pub struct Connection {
    writer: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Connection {
    /// Connects; `None` when no guardian listens.
    ///
    /// # Errors
    /// When there is one, but this user may not talk to it.
    pub fn open(paths: &Paths) -> Result<Option<Self>> {
        let path = socket_path(paths);
        match UnixStream::connect(&path) {
            Ok(writer) => {
                let reader = BufReader::new(writer.try_clone()?);
                Ok(Some(Self { writer, reader }))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(
                "a change is pending, but only root, or a member of the group named in {}, may talk to its guardian",
                paths.config.display()
            ),
            Err(error) => {
                Err(error).with_context(|| format!("cannot connect to {}", path.display()))
            }
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the guardian is gone.
    pub fn send(&mut self, request: &Request) -> Result<()> {
        let line = serde_json::to_string(request)?;
        writeln!(self.writer, "{line}")?;
        Ok(())
    }

    /// The next line; `None` when the guardian is gone.
    ///
    /// # Errors
    /// When reading fails otherwise.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line.trim_end().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A second handle for sending, for another thread.
    ///
    /// # Errors
    /// When there are no file descriptors left.
    pub fn sender(&self) -> io::Result<Sender> {
        Ok(Sender {
            writer: self.writer.try_clone()?,
        })
    }
}

/// Sends requests over a connection that another thread reads from.
#[derive(Debug)]
pub struct Sender {
    writer: UnixStream,
}

impl Sender {
    /// Sends a request; a guardian that is gone is noticed by who reads.
    pub fn send(&mut self, request: &Request) {
        if let Ok(line) = serde_json::to_string(request) {
            let _ = writeln!(self.writer, "{line}");
        }
    }
}

/// Asks one thing of the guardian; `None` when there is none, or when it died over it.
///
/// # Errors
/// When it does not answer.
pub fn request(paths: &Paths, request: &Request) -> Result<Option<Reply>> {
    let Some(mut connection) = Connection::open(paths)? else {
        return Ok(None);
    };
    connection.writer.set_read_timeout(Some(ANSWER_MAX))?;
    if connection.send(request).is_err() {
        return Ok(None);
    }
    match connection.line()? {
        Some(line) => Ok(Some(serde_json::from_str(&line)?)),
        None => Ok(None),
    }
}

/// What is pending, if anything is.
///
/// # Errors
/// When there is a guardian that does not answer.
pub fn pending(paths: &Paths) -> Result<Option<Status>> {
    match request(paths, &Request::Status)? {
        Some(Reply::Status(status)) => Ok((!status.is_over()).then_some(status)),
        Some(Reply::Refused { message, .. } | Reply::Done { message }) => bail!("{message}"),
        None => Ok(None),
    }
}
