//! Which kernel interface iptables rules go to, and the names of the tools for it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::family::Family;
use crate::cli::Backend;
use crate::exec;

/// A backend that has been decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolved {
    /// `nf_tables`.
    Nft,
    /// Legacy xtables.
    Legacy,
}

/// What an iptables tool is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `…-restore`.
    Restore,
    /// `…-save`.
    Save,
}

/// Settles `choice`; `auto` asks the host's `iptables`.
///
/// Not needed when no candidate is in iptables-save format.
///
/// # Errors
/// [`Error::Tool`] when `iptables` or the chosen backend's tools are missing (the Debian package is named).
pub fn resolve_backend(choice: Backend) -> Result<Resolved, Error> {
    let resolved = match choice {
        Backend::Nft => Resolved::Nft,
        Backend::Legacy => Resolved::Legacy,
        Backend::Auto => {
            let answer = exec::Run::tool("iptables")?.args(["-V"]).success()?;
            reported_backend(&String::from_utf8_lossy(&answer))
        }
    };
    tool(resolved, Family::V4, Task::Restore)?;
    Ok(resolved)
}

/// The backend in the answer to `iptables -V`; versions before 1.8 name none and are legacy.
#[must_use]
pub fn reported_backend(version: &str) -> Resolved {
    if version.contains("(nf_tables)") {
        Resolved::Nft
    } else {
        Resolved::Legacy
    }
}

/// The absolute path of the tool for `backend`: `iptables-nft-restore` and the like, else
/// `iptables-restore` where `iptables -V` says that it is for the same backend.
///
/// # Errors
/// [`exec::Error::Missing`] naming the Debian package.
pub fn tool(backend: Resolved, family: Family, task: Task) -> Result<PathBuf, exec::Error> {
    let family = match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let variant = match backend {
        Resolved::Nft => "nft",
        Resolved::Legacy => "legacy",
    };
    let task = match task {
        Task::Restore => "restore",
        Task::Save => "save",
    };
    let missing = match exec::find(&format!("{family}-{variant}-{task}")) {
        Ok(path) => return Ok(path),
        Err(error) => error,
    };
    let Ok(plain) = exec::find(&format!("{family}-{task}")) else {
        return Err(missing);
    };
    // Old restore tools do not know -V.
    let answer = exec::Run::tool(family)?.args(["-V"]).success()?;
    if reported_backend(&String::from_utf8_lossy(&answer)) == backend {
        Ok(plain)
    } else {
        Err(missing)
    }
}
