//! What the user asks for: rule files, recognised by their content, and the tools that load them.

mod apply;
mod backend;
mod compile;
mod error;
mod family;
mod message;
mod read;
mod recognise;
mod text;
mod witness;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use apply::{LoadOptions, load_into_namespace};
pub use backend::{Resolved, Task, reported_backend, resolve_backend, tool};
pub use compile::{How, compile, run_tools_live};
pub use error::Error;
pub use family::{Evidence, Family, by_name, evidence};
pub use message::{Place, iptables_place, nft_place};
pub use read::{MAX_BYTES, STDIN_NAME, load};
pub use recognise::recognise;
pub use text::{is_text, normalise, words};

/// The format of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `iptables-save` format for IPv4.
    IptablesV4,
    /// `iptables-save` format for IPv6.
    IptablesV6,
    /// A script for `nft -f`.
    Nft,
    /// `ipset save` format.
    Ipset,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::IptablesV4, Self::IptablesV6, Self::Nft, Self::Ipset];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IptablesV4 => "iptables rules (IPv4)",
            Self::IptablesV6 => "iptables rules (IPv6)",
            Self::Nft => "nft script",
            Self::Ipset => "ipset sets",
        })
    }
}

/// One rule file, read once; later edits of the file change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// As the user gave it, without `v4:` or `v6:`; `-` became [`STDIN_NAME`].
    pub name: String,
    /// Canonical path of the original; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Where the user was: `include "./x"` in an nft script counts from there (nft(8)).
    pub cwd: PathBuf,
    /// The format.
    pub kind: Kind,
    /// The file's bytes, as read.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub sha256: [u8; 32],
}

impl Candidate {
    /// The bytes as the tools take them: no byte order mark, no CR before LF, a
    /// newline at the end; in nft scripts, `include "./…"` made absolute. Lines keep their numbers.
    #[must_use]
    pub fn for_tool(&self) -> Vec<u8> {
        let bytes = normalise(&self.bytes);
        match self.kind {
            Kind::Nft => text::absolute_includes(&bytes, &self.cwd),
            Kind::IptablesV4 | Kind::IptablesV6 | Kind::Ipset => bytes,
        }
    }
}
