//! Building one set under a given name, at a given index where that is free.

use std::collections::BTreeMap;

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

/// Creates and fills `set` under the name `as_name`, which must be free; on
/// error nothing is left of it. It gets the index `wanted` where that is free.
pub(super) fn build(
    set: &Set,
    as_name: &str,
    wanted: Option<u16>,
    members: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut text = String::new();
    write_set(&mut text, set, as_name, members)?;
    let placeholders = match wanted {
        Some(wanted) => fill_up_to(wanted)?,
        None => Vec::new(),
    };
    let run = Run::tool("ipset").map(|run| run.args(["restore"]).stdin(escape::to_bytes(&text)));
    let output = run.and_then(Run::output);
    for placeholder in &placeholders {
        // One that stays is a temporary set, which settling clears away.
        let _ = wire::destroy(placeholder);
    }
    let output = output?;
    if output.status.success() {
        return Ok(());
    }
    // The name was free, so what has it now is what was half built.
    let _ = wire::destroy(as_name);
    Err(Error::Build {
        name: set.name.clone(),
        reason: explain(&output.stderr, &text),
    })
}

/// The tool's words, and the line that they are about.
fn explain(stderr: &str, script: &str) -> String {
    let line = stderr
        .split_once("Error in line ")
        .and_then(|(_, rest)| rest.split_once(':'))
        .and_then(|(number, _)| number.parse::<usize>().ok())
        .and_then(|number| script.lines().nth(number.checked_sub(1)?));
    match line {
        Some(line) => format!("{stderr} (`{line}`)"),
        None => stderr.to_owned(),
    }
}

/// Occupies all free indexes below `wanted`: a new set gets the lowest free one
/// (`find_free_id` in `net/netfilter/ipset/ip_set_core.c`).
fn fill_up_to(wanted: u16) -> Result<Vec<String>, Error> {
    let used: Vec<u16> = indexes()?.into_values().collect();
    let free = (0..wanted).filter(|index| !used.contains(index)).count();
    if used.contains(&wanted) || free == 0 || free > PLACEHOLDERS_MAX {
        return Ok(Vec::new());
    }
    let names: Vec<String> = (0..free)
        .map(|number| temporary_name(&format!("fill{number}")))
        .collect();
    let script: String = names
        .iter()
        .map(|name| format!("create {name} {PLACEHOLDER}\n"))
        .collect();
    let output = Run::tool("ipset")?
        .args(["restore"])
        .stdin(script)
        .output()?;
    if !output.status.success() {
        // Another index is worse, but no failure: rules are led by name.
        for name in &names {
            let _ = wire::destroy(name);
        }
        return Ok(Vec::new());
    }
    Ok(names)
}

/// A name that no other process of this kind uses.
pub(super) fn temporary_name(suffix: &str) -> String {
    format!("{TEMPORARY_PREFIX}{}-{suffix}", std::process::id())
}
