//! A login server for where sshd cannot run: a shell for whoever connects. It is reachable only
//! from the demo's own client.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::isolate::{HOME, LOGIN_PATH, SETTINGS};
use super::network::{SERVER, Server};
use crate::exec::Run;

/// The port of ssh.
const PORT: u16 = 22;

/// The server is up as long as the process.
#[derive(Debug)]
pub struct StandIn;

impl StandIn {
    /// Listens on the server's port 22.
    pub fn start(server: &Arc<Server>) -> Result<Self> {
        let listener = server.enter(|| {
            TcpListener::bind((SERVER, PORT)).context("the login stand-in cannot listen")
        })?;
        let server = Arc::clone(server);
        std::thread::spawn(move || {
            let mut shells = Vec::new();
            for connection in listener.incoming().flatten() {
                // A login that fails is seen by who logs in: the connection closes.
                if let Ok(shell) = server.enter(|| shell(connection)) {
                    shells.push(shell);
                }
            }
        });
        Ok(Self)
    }

    /// A connection from the client.
    pub fn connect(patience: Duration) -> std::io::Result<TcpStream> {
        let address = SERVER.parse().map_err(std::io::Error::other)?;
        TcpStream::connect_timeout(&SocketAddr::new(address, PORT), patience)
    }
}

fn shell(connection: TcpStream) -> Result<crate::exec::Running> {
    let mut shell = Run::tool("sh")?
        .bare()
        .env("HOME", HOME)
        .env("PATH", LOGIN_PATH);
    for (name, value) in SETTINGS {
        shell = shell.env(name, value);
    }
    Ok(shell.on_connection(connection)?)
}
