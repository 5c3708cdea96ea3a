//! Building sets under given names, at given indexes where those are free.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{quoted, words};
use super::{Error, Set, TEMPORARY_PREFIX, indexes, wire};
use crate::escape;
use crate::exec::Run;

/// The least that a set can take up; used to fill free indexes for a moment.
const PLACEHOLDER: &str = "hash:ip hashsize 64";
/// An index that more placeholders than this would be needed for is not insisted on.
const PLACEHOLDERS_MAX: usize = 512;

/// Appends the lines that create `set` under the name `as_name`; members of a
/// set of sets are replaced by what `members` has for them.
pub(super) fn write_set(
    text: &mut String,
    set: &Set,
    as_name: &str,
    members: &BTreeMap<String, String>,
) -> Result<(), Error> {
    if as_name.contains(['"', '\n', '\r']) {
        return Err(Error::Build {
            name: as_name.to_owned(),
            reason: "ipset has no way to write such a name".to_owned(),
        });
    }
    let named = quoted(as_name);
    text.push_str(&format!("create {named} {}\n", set.create));
    for member in &set.members {
        let translated = set.is_list().then(|| translate(member, members)).flatten();
        let member = translated.as_deref().unwrap_or(member);
        text.push_str(&format!("add {named} {member}\n"));
    }
    Ok(())
}

/// A member of a set of sets with another set in its place.
fn translate(member: &str, members: &BTreeMap<String, String>) -> Option<String> {
    let element = words(member).next()?;
    let instead = members.get(element.trim_matches('"'))?;
    Some(member.replacen(element, &quoted(instead), 1))
}

/// The sets that `set` has as members.
pub(super) fn elements(set: &Set) -> impl Iterator<Item = &str> {
    let members = set.members.iter().filter(|_| set.is_list());
    members.filter_map(|member| Some(words(member).next()?.trim_matches('"')))
}

/// One set to be built.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// What it is to be.
    pub(super) set: &'a Set,
    /// The name to build it under, which must be free.
    pub(super) name: String,
    /// The index to give it where that is free.
    pub(super) wanted: Option<u16>,
}

/// Creates and fills all sets, in one run of the tool; on error nothing is left of them.
pub(super) fn build_all(
    mut orders: Vec<Order<'_>>,
    members: &BTreeMap<String, String>,
) -> Result<(), Error> {
    if orders.is_empty() {
        return Ok(());
    }
    orders.sort_by_key(|order| order.wanted.map_or(u32::MAX, u32::from));
    let mut seats = Seats::new(&orders)?;
    let mut text = String::new();
    // Where in the text each set starts, in bytes.
    let mut starts = Vec::new();
    for order in &orders {
        text.push_str(&seats.fill_up_to(order.wanted));
        starts.push(text.len());
        write_set(&mut text, order.set, &order.name, members)?;
    }
    let run = Run::tool("ipset").map(|run| run.args(["restore"]).stdin(escape::to_bytes(&text)));
    let output = run.and_then(Run::output);
    for placeholder in &seats.placeholders {
        // One that stays is a temporary set, which settling clears away.
        let _ = wire::destroy(placeholder);
    }
    let output = output?;
    if output.status.success() {
        return Ok(());
    }
    // Sets of sets were built last and refer to others. The names were free,
    // so what has them now is what was half built.
    for order in orders.iter().rev() {
        let _ = wire::destroy(&order.name);
    }
    Err(explain(&output.stderr, &text, &starts, &orders))
}

/// The tool's words, the line that they are about, and the set that it is of.
fn explain(stderr: &str, text: &str, starts: &[usize], orders: &[Order<'_>]) -> Error {
    let number = stderr
        .split_once("Error in line ")
        .and_then(|(_, rest)| rest.split_once(':'))
        .and_then(|(number, _)| number.parse::<usize>().ok())
        .unwrap_or(1);
    let before: usize = text
        .split_inclusive('\n')
        .take(number.saturating_sub(1))
        .map(str::len)
        .sum();
    let at = starts.partition_point(|start| *start <= before);
    let order = orders.get(at.saturating_sub(1));
    let line = text[before..].lines().next().unwrap_or_default();
    Error::Build {
        name: order.map_or_else(String::new, |order| order.set.name.clone()),
        reason: format!("{stderr} (`{line}`)"),
    }
}

/// The indexes that are taken: a new set gets the lowest free one
/// (`find_free_id` in `net/netfilter/ipset/ip_set_core.c`).
struct Seats {
    used: BTreeSet<u16>,
    placeholders: Vec<String>,
}

impl Seats {
    fn new(orders: &[Order<'_>]) -> Result<Self, Error> {
        let matters = orders.iter().any(|order| order.wanted.is_some());
        let existing = if matters { indexes()? } else { BTreeMap::new() };
        Ok(Self {
            used: existing.into_values().collect(),
            placeholders: Vec::new(),
        })
    }

    /// Lines that occupy all free indexes below `wanted`, which the set that is
    /// created next then gets. Another index is worse, but no failure: rules are
    /// led by name.
    fn fill_up_to(&mut self, wanted: Option<u16>) -> String {
        let mut lines = String::new();
        let Some(wanted) = wanted.filter(|wanted| !self.used.contains(wanted)) else {
            return lines;
        };
        let free: Vec<u16> = (0..wanted)
            .filter(|index| !self.used.contains(index))
            .collect();
        if self.placeholders.len() + free.len() > PLACEHOLDERS_MAX {
            return lines;
        }
        for _ in &free {
            let name = temporary_name(&format!("fill{}", self.placeholders.len()));
            lines.push_str(&format!("create {name} {PLACEHOLDER}\n"));
            self.placeholders.push(name);
        }
        self.used.extend(free);
        self.used.insert(wanted);
        lines
    }
}

/// A name that no other process of this kind uses.
pub(super) fn temporary_name(suffix: &str) -> String {
    format!("{TEMPORARY_PREFIX}{}-{suffix}", std::process::id())
}
