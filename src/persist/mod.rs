//! Keeping committed rules across a reboot: where this distribution loads them, and writing there.

mod boot;
mod distribution;
mod loader;
mod plan;
mod texts;
mod write;

pub use boot::{BootFiles, boot_files, is_boot_file};
pub use distribution::{Distribution, distribution, parse_os_release};
pub use loader::{loaded_by, loader_note};
pub use plan::{Plan, Write, plan};
pub use texts::{Source, Texts, native_tables, read_texts, self_contained};
pub use write::{Written, write};

use std::path::PathBuf;

use crate::candidate::Kind;
use crate::exec;

/// Why rules cannot be made to survive a reboot. The committed rules are live all the same.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The distribution has no known place for rules of this kind.
    #[error(
        "no place is known where this system loads {kind} at boot; give one with --persist=FILE"
    )]
    NoPlace {
        /// The kind without a place.
        kind: Kind,
    },
    /// `--persist=FILE` with several kinds.
    #[error(
        "--persist=FILE takes one kind of rules, and this change has: {kinds}; use --persist without FILE"
    )]
    SeveralKinds {
        /// The kinds, for people.
        kinds: String,
    },
    /// The caller has no text for a kind that was touched.
    #[error("the live rules of this kind were not read back: {kind}")]
    NoText {
        /// The kind without a text.
        kind: Kind,
    },
    /// The file could not be written; what was there is still there.
    #[error("{}: not written, what was there is unchanged: {source}{}", path.display(), list(done))]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
        /// Files of the same plan that hold the new rules already.
        done: Vec<PathBuf>,
    },
    /// The rules that are live cannot be read back in a form that can be loaded.
    #[error("the live nft tables cannot be written in a form that nft reads back: {0}")]
    NotReloadable(String),
    /// A save tool failed.
    #[error(transparent)]
    Tool(#[from] exec::Error),
}

fn list(done: &[PathBuf]) -> String {
    let names: Vec<String> = done.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; already in place: {}", names.join(", "))
    }
}
