//! Legacy xtables (`ip_tables`, `ip6_tables`), through `iptables-legacy-save` and `-restore`.
//!
//! A table is looked at only when the kernel says that the namespace has it:
//! the tools create the tables they are asked about. A legacy table, once
//! there, stays for the life of the namespace; a table that a checkpoint does
//! not hold is therefore brought to its pristine state (built-in chains on
//! ACCEPT, no rules), which counts as equal to being absent.

mod compare;
mod lock;
mod sets;
mod tables;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use compare::is_pristine;
pub use lock::Lock;
pub use tables::Tables;

/// IPv4 or IPv6: each has its own tables and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// `iptables-legacy`.
    V4,
    /// `ip6tables-legacy`.
    V6,
}

impl Family {
    /// Both, in the order in which they are looked at.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    const fn save_tool(self) -> &'static str {
        match self {
            Self::V4 => "iptables-legacy-save",
            Self::V6 => "ip6tables-legacy-save",
        }
    }

    const fn restore_tool(self) -> &'static str {
        match self {
            Self::V4 => "iptables-legacy-restore",
            Self::V6 => "ip6tables-legacy-restore",
        }
    }

    /// Names the tables of the reading thread's namespace (`net/netfilter/x_tables.c`);
    /// `/proc/net` would be the main thread's.
    const fn names_file(self) -> &'static str {
        match self {
            Self::V4 => "/proc/thread-self/net/ip_tables_names",
            Self::V6 => "/proc/thread-self/net/ip6_tables_names",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V4 => "iptables-legacy",
            Self::V6 => "ip6tables-legacy",
        })
    }
}

/// Why legacy tables could not be read or restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's list of tables could not be read.
    #[error("{path} cannot be read, so it is not known which {family} tables exist: {source}")]
    Names {
        /// Whose tables.
        family: Family,
        /// The file in `/proc`.
        path: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// There are tables, and the tool for them is missing or failed.
    #[error("the {family} table `{table}` could not be {action}: {source}")]
    Tool {
        /// Whose table.
        family: Family,
        /// The table's name.
        table: String,
        /// `read` or `restored`.
        action: &'static str,
        /// What went wrong.
        source: crate::exec::Error,
    },
    /// The tool exited with 0 but printed no such table, or not all of it.
    #[error(
        "the {family} table `{table}` exists, but {tool} printed nothing usable for it ({reason})"
    )]
    Unreadable {
        /// Whose table.
        family: Family,
        /// The table's name.
        table: String,
        /// The tool that was asked.
        tool: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Another process holds the lock, or the lock file cannot be opened.
    #[error("the {family} table `{table}` was not restored: {reason}")]
    Locked {
        /// Whose table.
        family: Family,
        /// The table's name.
        table: String,
        /// The tool's own words.
        reason: String,
    },
}
