//! The live rules in the form in which they are loaded at boot.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::Error;
use crate::candidate::{Family, Kind, Resolved, Task, reported_backend, tool};
use crate::exec::Run;

/// What is to be read back, in the calling thread's network namespace.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// The kinds that the change touched.
    pub kinds: &'a BTreeSet<Kind>,
    /// Where iptables rules are; needed for those kinds only.
    pub backend: Option<Resolved>,
    /// The nft tables to persist, as (family, name).
    pub tables: &'a [(String, String)],
    /// The nft candidate; taken as it is when [`self_contained`], with its comments and definitions.
    pub script: Option<&'a str>,
}

/// Texts to be loaded at boot; `None` for kinds that were not touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// IPv4 rules, iptables-save format.
    pub v4: Option<String>,
    /// IPv6 rules, iptables-save format.
    pub v6: Option<String>,
    /// An nft script.
    pub nft: Option<String>,
    /// Sets, ipset save format.
    pub ipset: Option<String>,
    /// What the user should know about them.
    pub notes: Vec<String>,
}

impl Texts {
    /// The text for `kind`.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::IptablesV4 => self.v4.as_deref(),
            Kind::IptablesV6 => self.v6.as_deref(),
            Kind::Nft => self.nft.as_deref(),
            Kind::Ipset => self.ipset.as_deref(),
        }
    }
}

/// Reads the live rules with the tools' own save formats, without rule counters, as
/// netfilter-persistent does.
///
/// # Errors
/// [`Error::Tool`]; [`Error::NotReloadable`] when nft would refuse its own listing.
pub fn read_texts(source: &Source<'_>) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    for kind in source.kinds {
        match kind {
            Kind::IptablesV4 => texts.v4 = Some(save(source, Family::V4, &mut texts.notes)?),
            Kind::IptablesV6 => texts.v6 = Some(save(source, Family::V6, &mut texts.notes)?),
            Kind::Nft => texts.nft = Some(nft_script(source)?),
            Kind::Ipset => texts.ipset = Some(text(Run::tool("ipset")?.args(["save"]))?),
        }
    }
    Ok(texts)
}

fn save(source: &Source<'_>, family: Family, notes: &mut Vec<String>) -> Result<String, Error> {
    let host = Run::tool("iptables")?.args(["-V"]).success()?;
    let host = reported_backend(&String::from_utf8_lossy(&host));
    let backend = source.backend.unwrap_or(host);
    let tool = tool(backend, family, Task::Save)?;
    if backend != host {
        notes.push(format!(
            "the rules were applied with {}, but at boot this host's `iptables` loads them into the \
             other backend; update-alternatives --config iptables changes that",
            name(&tool)
        ));
    }
    let saved = text(Run::path(&tool))?;
    if saved.contains("is incompatible, use 'nft' tool") {
        notes.push(format!(
            "{} left out tables that only nft can list",
            name(&tool)
        ));
    }
    Ok(saved)
}

fn name(tool: &Path) -> String {
    tool.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Each table is made, deleted and made again: right whether or not it is there, and without
/// `flush ruleset`, which would wipe what iptables loaded before.
fn nft_script(source: &Source<'_>) -> Result<String, Error> {
    if let Some(script) = source.script.filter(|script| self_contained(script)) {
        return Ok(script.to_owned());
    }
    let mut script =
        String::from("#!/usr/sbin/nft -f\n# Written by safe-apply from the live rules.\n");
    for (family, table) in source.tables {
        let listed = text(Run::tool("nft")?.args(["-s", "list", "table", family, table]))?;
        // Writing to a String cannot fail.
        let _ = write!(
            script,
            "\ntable {family} {table}\ndelete table {family} {table}\n{listed}"
        );
    }
    let checked = Run::tool("nft")?
        .args(["-c", "-f", "-"])
        .stdin(script.clone())
        .output()?;
    if checked.status.success() {
        Ok(script)
    } else {
        Err(Error::NotReloadable(checked.stderr))
    }
}

/// Whether an nft script means the same wherever and whenever it is loaded: it begins with
/// `flush ruleset` and includes no other file.
#[must_use]
pub fn self_contained(script: &str) -> bool {
    let mut lines = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let flushes = lines.next().is_some_and(|first| {
        first
            .trim_end_matches(';')
            .split_ascii_whitespace()
            .eq(["flush", "ruleset"])
    });
    flushes && !lines.any(|line| line.starts_with("include"))
}

/// The tables, as (family, name), that iptables-nft does not claim: those that its save tools print
/// are iptables' own.
///
/// # Errors
/// [`Error::Tool`].
pub fn native_tables() -> Result<Vec<(String, String)>, Error> {
    let listed = text(Run::tool("nft")?.args(["list", "tables"]))?;
    let v4 = claimed(Family::V4)?;
    let v6 = claimed(Family::V6)?;
    Ok(listed
        .lines()
        .filter_map(|line| line.strip_prefix("table ")?.split_once(' '))
        .filter(|(family, table)| match *family {
            "ip" => !v4.contains(*table),
            "ip6" => !v6.contains(*table),
            _ => true,
        })
        .map(|(family, table)| (family.to_owned(), table.to_owned()))
        .collect())
}

/// Without the save tool there are no iptables rules of that backend to speak of.
fn claimed(family: Family) -> Result<BTreeSet<String>, Error> {
    let Ok(tool) = tool(Resolved::Nft, family, Task::Save) else {
        return Ok(BTreeSet::new());
    };
    let saved = text(Run::path(tool))?;
    Ok(saved
        .lines()
        .filter_map(|line| line.strip_prefix('*'))
        .map(str::to_owned)
        .collect())
}

fn text(run: Run) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&run.success()?).into_owned())
}
