//! The control socket: connections in, requests to the event loop, lines out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{Gid, chown};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::accounts::group_id;
use crate::config::Config;
use crate::paths::Paths;
use crate::protocol::{Reply, Request};

/// Longest request accepted, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// How long the last lines may take on their way to a slow client.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Who is on the other side, as the kernel says (`SO_PEERCRED`, `unix(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Process.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// What comes in over the socket.
#[derive(Debug)]
pub enum Input {
    /// A request, and where the answer goes.
    Request {
        /// Who asks.
        peer: Peer,
        /// What.
        request: Request,
        /// Lines to send.
        answer: UnboundedSender<String>,
    },
    /// A client's connection ended.
    Gone(Peer),
}

/// Path of the socket.
#[must_use]
pub fn socket_path(paths: &Paths) -> PathBuf {
    paths.run.join("control.sock")
}

/// The listening side.
#[derive(Debug)]
pub struct Control {
    /// None where it could not be bound: the rollback comes all the same.
    listener: Option<UnixListener>,
    writers: JoinSet<()>,
    inputs: UnboundedSender<Input>,
}

impl Control {
    /// A control socket that does not exist yet; see [`Control::bind`].
    #[must_use]
    pub fn new() -> (Self, UnboundedReceiver<Input>) {
        let (inputs, receiver) = unbounded_channel();
        let control = Self {
            listener: None,
            writers: JoinSet::new(),
            inputs,
        };
        (control, receiver)
    }

    /// Binds the socket; the caller holds the lock, so one that is there is stale.
    ///
    /// # Errors
    /// When it cannot be bound or its mode cannot be set.
    pub fn bind(&mut self, paths: &Paths, config: &Config) -> Result<()> {
        let path = socket_path(paths);
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        restrict(&path, config).with_context(|| format!("cannot protect {}", path.display()))?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Whether the socket is where clients look for it.
    #[must_use]
    pub fn is_reachable(&self, paths: &Paths) -> bool {
        self.listener.is_some() && socket_path(paths).exists()
    }

    /// Serves connections for ever; cancelled when the event loop has something else to do.
    pub async fn serve(&mut self) {
        loop {
            let Some(listener) = &self.listener else {
                return std::future::pending().await;
            };
            // A failed accept concerns that client alone.
            if let Ok((stream, _)) = listener.accept().await
                && let Ok(cred) = stream.peer_cred()
            {
                let peer = Peer {
                    pid: cred.pid().unwrap_or(0),
                    uid: cred.uid(),
                    gid: cred.gid(),
                };
                self.attend(stream, peer);
            }
        }
    }

    fn attend(&mut self, stream: UnixStream, peer: Peer) {
        let (reader, mut writer) = stream.into_split();
        let (answer, mut lines) = unbounded_channel::<String>();
        self.writers.spawn(async move {
            while let Some(line) = lines.recv().await {
                if writer
                    .write_all(format!("{line}\n").as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let mut reader =
                BufReader::new(tokio::io::AsyncReadExt::take(reader, REQUEST_BYTES_MAX));
            let mut line = String::new();
            while reader
                .read_line(&mut line)
                .await
                .is_ok_and(|bytes| bytes > 0)
            {
                let input = match serde_json::from_str(&line) {
                    Ok(request) => Input::Request {
                        peer,
                        request,
                        answer: answer.clone(),
                    },
                    Err(error) => {
                        refuse(&answer, &format!("the request was not understood: {error}"));
                        break;
                    }
                };
                if inputs.send(input).is_err() {
                    break;
                }
                line.clear();
            }
            let _ = inputs.send(Input::Gone(peer));
        });
    }

    /// Lets the last lines reach the clients, within reason. The senders must be gone.
    pub async fn flush(mut self) {
        let all = async { while self.writers.join_next().await.is_some() {} };
        // A client that does not read loses the rest.
        let _ = tokio::time::timeout(FLUSH_MAX, all).await;
    }
}

fn refuse(answer: &UnboundedSender<String>, message: &str) {
    let reply = Reply::Refused {
        exit: crate::exit::Exit::Failed as u8,
        message: message.to_owned(),
    };
    if let Ok(line) = serde_json::to_string(&reply) {
        let _ = answer.send(line);
    }
}

/// Root alone, or the administrator's group too, may connect.
fn restrict(path: &Path, config: &Config) -> Result<()> {
    let group = config.group.as_deref().and_then(group_id);
    let mode = match group {
        Some(gid) => {
            chown(path, None, Some(Gid::from_raw(gid)))?;
            0o660
        }
        None => 0o600,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}
