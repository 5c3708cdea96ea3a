//! All legacy tables of a network namespace: capture, compare, restore.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::PrivateLock;
use super::{Error, Family, Lock, compare};
use crate::escape;
use crate::exec::{self, Run};

/// What `xtables_lock_or_exit` exits with: held by another, or not to be opened.
const EXIT_LOCKED: i32 = 4;
/// Where [`Family::names_file`] would be; it is there whatever the kernel holds.
const NET_DIRECTORY: &str = "/proc/thread-self/net";

/// Table name to that table's `iptables-save -c` text, without comment lines
/// (they hold the time); what is not UTF-8 is escaped, see [`escape`].
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// IPv4 tables.
    pub v4: BTreeMap<String, String>,
    /// IPv6 tables.
    pub v6: BTreeMap<String, String>,
}

impl Tables {
    /// Reads all legacy tables of the calling thread's network namespace.
    ///
    /// No tool is run where the kernel says that there are no tables.
    ///
    /// # Errors
    /// When the kernel's list cannot be read, a tool that is needed is missing
    /// or fails, or says nothing about a table that exists.
    pub fn capture() -> Result<Self, Error> {
        Self::capture_of(&Family::ALL)
    }

    /// As [`Tables::capture`], for these families only.
    ///
    /// # Errors
    /// Those of [`Tables::capture`].
    pub fn capture_of(families: &[Family]) -> Result<Self, Error> {
        let mut tables = Self::default();
        for family in families {
            for table in names(*family)? {
                let text = save(*family, &table)?;
                tables.of_mut(*family).insert(table, text);
            }
        }
        Ok(tables)
    }

    /// The tables of one family.
    #[must_use]
    pub const fn of(&self, family: Family) -> &BTreeMap<String, String> {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    const fn of_mut(&mut self, family: Family) -> &mut BTreeMap<String, String> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// The tables that are not the same in `other`; with `counters`, packet and
    /// byte counts count. A table that is absent on one side and pristine on
    /// the other is the same.
    #[must_use]
    pub fn differing(&self, other: &Self, counters: bool) -> Vec<(Family, String)> {
        let mut differing = Vec::new();
        for family in Family::ALL {
            let (mine, theirs) = (self.of(family), other.of(family));
            let only_theirs = theirs.keys().filter(|name| !mine.contains_key(*name));
            for name in mine.keys().chain(only_theirs) {
                if !compare::equal(mine.get(name), theirs.get(name), counters) {
                    differing.push((family, name.clone()));
                }
            }
        }
        differing
    }

    /// Short lines for people: what changed on the way from `self` to `after`.
    #[must_use]
    pub fn describe_difference(&self, after: &Self, counters: bool) -> Vec<String> {
        self.differing(after, counters)
            .into_iter()
            .flat_map(|(family, name)| {
                let (before, after) = (self.of(family).get(&name), after.of(family).get(&name));
                compare::describe(family, &name, before, after)
            })
            .collect()
    }

    /// Brings the tables named in `parts` to what they are in `self`, counters
    /// included, each atomically; one that is not in `self` is reset: ACCEPT,
    /// no rules, no user-defined chains. Returns what went wrong, having tried all.
    #[must_use]
    pub fn restore(&self, parts: &[(Family, String)], lock: &Lock) -> Vec<Error> {
        let mut bypass = None;
        let mut errors = Vec::new();
        for (family, table) in parts {
            let done = match self.of(*family).get(table) {
                Some(text) => load(*family, table, text, lock, &mut bypass),
                None => reset(*family, table, lock, &mut bypass),
            };
            errors.extend(done.err());
        }
        errors
    }
}

/// The tables that the namespace has, in alphabetical order.
fn names(family: Family) -> Result<Vec<String>, Error> {
    let path = family.names_file();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
            names.sort_unstable();
            Ok(names)
        }
        // The file is absent where the kernel has no such tables; without its
        // directory nothing is known.
        Err(error) if error.kind() == ErrorKind::NotFound && Path::new(NET_DIRECTORY).is_dir() => {
            Ok(Vec::new())
        }
        Err(source) => Err(Error::Names {
            family,
            path,
            source,
        }),
    }
}

/// One table as text; the table must exist, else the tool creates it.
fn save(family: Family, table: &str) -> Result<String, Error> {
    let tool = family.save_tool();
    let failed = |source| Error::Tool {
        family,
        table: table.to_owned(),
        action: "read",
        source,
    };
    let unreadable = |reason: String| Error::Unreadable {
        family,
        table: table.to_owned(),
        tool,
        reason,
    };
    let printed = Run::tool(tool)
        .and_then(|run| run.args(["-c", "-t", table]).success())
        .map_err(failed)?;
    let text = compare::without_comments(&escape::to_text(&printed));
    // The tool prints nothing and exits with 0 where it may not look.
    if !text.starts_with(&format!("*{table}\n")) {
        return Err(unreadable("no such table in its output".to_owned()));
    }
    if !text.ends_with("\nCOMMIT\n") {
        return Err(unreadable("its output is cut off".to_owned()));
    }
    Ok(text)
}

fn reset(
    family: Family,
    table: &str,
    lock: &Lock,
    bypass: &mut Option<PrivateLock>,
) -> Result<(), Error> {
    if !names(family)?.iter().any(|name| name == table) {
        return Ok(());
    }
    let live = save(family, table)?;
    if compare::is_pristine(&live) {
        return Ok(());
    }
    let text = compare::reset(table, &live).ok_or_else(|| Error::Unreadable {
        family,
        table: table.to_owned(),
        tool: family.save_tool(),
        reason: "no built-in chain in its output".to_owned(),
    })?;
    load(family, table, &text, lock, bypass)
}

/// Replaces one table by `text`. Once the lock was bypassed, `bypass` holds the
/// private one, and later tables do not wait for the stuck holder again.
fn load(
    family: Family,
    table: &str,
    text: &str,
    lock: &Lock,
    bypass: &mut Option<PrivateLock>,
) -> Result<(), Error> {
    let failed = |source| Error::Tool {
        family,
        table: table.to_owned(),
        action: "restored",
        source,
    };
    let locked = |reason| Error::Locked {
        family,
        table: table.to_owned(),
        reason,
    };
    let attempt = |env: Option<(&str, PathBuf)>| {
        let mut run = Run::tool(family.restore_tool())?
            .args(["-c", "-w", &lock.wait_seconds(), "-T", table])
            .stdin(escape::to_bytes(text))
            .deadline(lock.deadline);
        if let Some((name, path)) = env {
            run = run.env(name, path);
        }
        run.output()
    };
    let mut output = match bypass {
        Some(private) => attempt(Some(private.env())),
        None => attempt(lock.env()),
    }
    .map_err(failed)?;
    if output.status.code() == Some(EXIT_LOCKED) && bypass.is_none() {
        if !lock.bypass {
            return Err(locked(output.stderr));
        }
        let private = PrivateLock::new()
            .map_err(|errno| locked(format!("{}; no lock of its own: {errno}", output.stderr)))?;
        output = attempt(Some(private.env())).map_err(failed)?;
        *bypass = Some(private);
    }
    if output.status.success() {
        return Ok(());
    }
    Err(failed(exec::Error::Failed {
        tool: family.restore_tool().to_owned(),
        status: output.status,
        stderr: explain(&output.stderr, text),
    }))
}

/// The tool's words, and the line that they are about.
fn explain(stderr: &str, text: &str) -> String {
    let line = stderr
        .split("rror occurred at line: ")
        .nth(1)
        .or_else(|| stderr.split("line ").nth(1))
        .and_then(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next())
        .and_then(|number| number.parse::<usize>().ok())
        .and_then(|number| text.lines().nth(number.checked_sub(1)?));
    match line {
        Some(line) => format!("{stderr} (`{line}`)"),
        None => stderr.to_owned(),
    }
}
