//! What the client writes down before it starts the guardian: who applies what, and how.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Id;
use crate::candidate::Kind;
use crate::cli::Backend;
use crate::connection::Origin;
use crate::rehearsal::Wishes;

/// What the client wrote down before it started the guardian; JSON, version 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    /// Version of this format.
    pub version: u32,
    /// The transaction.
    pub id: Id,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// Who applied, and from where.
    pub origin: Origin,
    /// The PID of the client.
    pub client_pid: i32,
    /// The command line, for people.
    pub command_line: String,
    /// Device and inode of the network namespace that the transaction belongs to.
    pub netns: (u64, u64),
    /// Whether that is PID 1's namespace; unknown where its link cannot be read.
    pub netns_is_init: Option<bool>,
    /// What is to be applied.
    pub work: Work,
    /// Time to confirm, in seconds.
    pub timeout_seconds: u64,
    /// Whether and where to persist.
    pub persist: Option<Persist>,
    /// What is rehearsed before anything is touched; `None`: nothing.
    #[serde(default)]
    pub rehearsal: Option<Wishes>,
    /// Whether checks are overridden.
    pub force: bool,
    /// Shell command to run after the commit.
    pub on_commit: Option<String>,
    /// Shell command to run after a rollback.
    pub on_rollback: Option<String>,
}

/// Where the rules are written after the commit. JSON has one `null` only: an option in an
/// option would come back as none at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persist {
    /// Where this system loads rules at boot.
    BootFiles,
    /// To this file.
    File(PathBuf),
}

/// What a transaction applies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Rule files, copied into the transaction's directory.
    Rules {
        /// In the order given.
        files: Vec<RulesFile>,
        /// Which kernel interface iptables rules go to; never `auto`.
        backend: Backend,
        /// Add instead of replace.
        noflush: bool,
    },
    /// Whatever the client's command does.
    Command,
}

/// A copied rules file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RulesFile {
    /// As the user named it.
    pub name: String,
    /// The copy's file name in the transaction's directory.
    pub copy: String,
    /// The original, where there is one.
    pub path: Option<PathBuf>,
    /// What it holds.
    pub kind: Kind,
    /// Where the user was; relative includes count from there.
    pub cwd: PathBuf,
    /// SHA-256 of the copy.
    pub sha256: [u8; 32],
    /// Whether the original is loaded at boot.
    pub boot_file: bool,
}
