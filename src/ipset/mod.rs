//! IP sets: capture, compare, and bring back with the index that rules refer to.
//!
//! Rules hold a set's *index*, which lives as long as its name does; a rule
//! that names a missing set is refused, and a set that a rule names cannot be
//! destroyed. Around a change of rules, sets therefore go in steps:
//!
//! 1. [`Sets::prepare`] before the rules. Each set to be changed is built under a
//!    temporary name, then swapped in (`ipset swap`: atomic, index kept) or
//!    renamed (a set that was missing; given its former index where that is
//!    free). A set whose type changed cannot be swapped. If nothing refers to
//!    it, it is destroyed and made anew. Otherwise it stays, and the new
//!    content stays under the temporary name, which
//!    [`Prepared::temporary`] tells.
//! 2. The caller applies the rules; where `temporary` has an entry for a set,
//!    its rules must use the set of that name (its index) instead; that goes
//!    for all tables that refer to the set, also where nothing else changes.
//! 3. Only if `temporary` is not empty: [`Prepared::finish`], which destroys the
//!    old sets, now unreferenced, and makes the new ones under their real names;
//!    then the caller applies the rules once more, with the real names.
//! 4. [`Sets::settle`] after the rules: destroys sets that are not to be there,
//!    and all temporary ones.
//!
//! A rollback is the same with the other target; it may follow a failed or
//! half-done step, since `prepare` looks at the kernel and clears leftovers.

mod build;
mod change;
mod compare;
mod parse;
mod reseat;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use change::Prepared;
pub use compare::Comparison;
pub use parse::parse_save;
pub use wire::{Refusal, indexes};

use crate::escape;
use crate::exec::{self, Run};

/// What temporary sets' names start with.
pub const TEMPORARY_PREFIX: &str = "sa-tmp-";

/// One set, in the words of `ipset save`; what is not UTF-8 is escaped, see [`escape`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Its name, at most 31 bytes; may hold spaces.
    pub name: String,
    /// Type and options: what follows `create NAME`.
    pub create: String,
    /// Element and options of each member: what follows `add NAME`.
    pub members: Vec<String>,
}

/// The sets of a network namespace.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sets {
    /// In the order of `ipset save`: sets of sets come last.
    pub sets: Vec<Set>,
    /// Name to the kernel's index; empty for sets that were read from a file.
    /// In a target: the index to be given to a set that is made anew, where that
    /// can be; without an entry any will do.
    pub indexes: BTreeMap<String, u16>,
}

/// Why sets could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused to list the sets.
    #[error("the kernel does not list its IP sets: {0}")]
    List(#[source] crate::netlink::Error),
    /// The kernel refused to change a set.
    #[error("the IP set `{name}` could not be {action}: {reason}")]
    Kernel {
        /// The set.
        name: String,
        /// `swapped`, `renamed`, `destroyed`.
        action: &'static str,
        /// The kernel's reason.
        reason: Refusal,
    },
    /// The tool is missing or failed.
    #[error("{0}")]
    Tool(#[from] exec::Error),
    /// Text in `ipset save` format that makes no sense.
    #[error("line {line}: {reason}")]
    Parse {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A set could not be built; nothing of it is live.
    #[error("the IP set `{name}` could not be built: {reason}")]
    Build {
        /// The set.
        name: String,
        /// The tool's words, with the member they are about.
        reason: String,
    },
    /// Sets came and went while they were being listed.
    #[error("the IP sets changed while they were being listed, again and again")]
    Unstable,
}

impl Sets {
    /// Reads all sets of the calling thread's network namespace.
    ///
    /// No tool is run where the kernel says that there are no sets.
    ///
    /// # Errors
    /// When the kernel cannot be asked, `ipset` is missing or fails, or what it
    /// prints does not fit what the kernel says.
    pub fn capture() -> Result<Self, Error> {
        // A set may come or go between the two looks.
        for _ in 0..5 {
            let indexes = indexes()?;
            if indexes.is_empty() {
                return Ok(Self::default());
            }
            let printed = Run::tool("ipset")?.args(["save"]).success()?;
            let text = escape::to_text(&printed);
            let mut sets = parse::parse_with_names(&text, indexes.keys())?;
            let same = sets.sets.len() == indexes.len()
                && sets.sets.iter().all(|set| indexes.contains_key(&set.name));
            if same {
                sets.indexes = indexes;
                return Ok(sets);
            }
        }
        Err(Error::Unstable)
    }

    /// The set called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// What `ipset restore` takes, escapes undone.
    ///
    /// # Errors
    /// [`Error::Build`] for a name that the format cannot express.
    pub fn to_restore(&self) -> Result<Vec<u8>, Error> {
        let mut text = String::new();
        for set in &self.sets {
            build::write_set(&mut text, set, &set.name, &BTreeMap::new())?;
        }
        Ok(escape::to_bytes(&text))
    }
}

impl Set {
    /// Whether the members are other sets (`list:set`).
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.create.starts_with("list:")
    }
}
