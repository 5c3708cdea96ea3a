//! Two hosts: the client is the namespace of the demo itself, the server one beside it.

use anyhow::{Context, Result};

use crate::exec::Run;
use crate::netns::NetNs;

/// The server's address, of the range for documentation (RFC 5737).
pub const SERVER: &str = "198.51.100.2";
/// The client's address.
pub const CLIENT: &str = "198.51.100.7";

/// Runs `line` on the client: its standard output; an error unless it exits with 0.
fn tool(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let printed = Run::tool(name)?.args(words).success()?;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

/// The server.
#[derive(Debug)]
pub struct Server {
    netns: NetNs,
}

impl Server {
    /// Both hosts, joined by a cable.
    pub fn new() -> Result<Self> {
        let server = Self {
            netns: NetNs::scratch()?,
        };
        for line in [
            "ip link set lo up",
            "ip link add eth0 type veth peer name eth0 netns 1",
            &format!("ip addr add {SERVER}/24 dev eth0"),
            "ip link set eth0 up",
        ] {
            server.tool(line)?;
        }
        tool(&format!("ip addr add {CLIENT}/24 dev eth0"))?;
        tool("ip link set eth0 up")?;
        Ok(server)
    }

    /// Does `work` in the server's namespace.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.netns
            .enter(work)
            .context("the server's namespace cannot be entered")?
    }

    /// Runs `line` on the server: its standard output; an error unless it exits with 0.
    pub fn tool(&self, line: &str) -> Result<String> {
        self.enter(|| tool(line))
    }
}
