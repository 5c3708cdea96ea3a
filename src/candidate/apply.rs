//! Running the tools on the candidates, in the calling thread's network namespace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backend::{Resolved, Task, tool};
use super::error::Error;
use super::family::Family;
use super::message::{Place, iptables_place, nft_place};
use super::text::line;
use super::{Candidate, Kind};
use crate::exec::{self, Run};

/// How candidates are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Where iptables rules go; `None` when no candidate is in that format.
    pub backend: Option<Resolved>,
    /// Add to the tables instead of replacing them. nft scripts run as they are either way.
    pub noflush: bool,
    /// The lock file for legacy tools instead of `/run/xtables.lock`.
    pub xtables_lock: Option<PathBuf>,
    /// How long each tool may take; half of it, in whole seconds, legacy tools may wait for the lock.
    pub deadline: Duration,
}

/// Loads nft scripts, then IPv4, then IPv6 rules into the calling thread's network namespace;
/// sets are not loaded here. Returns warnings for the user.
///
/// # Errors
/// [`Error::Refused`] with the user's file and line where the tool named one; [`Error::Tool`].
/// What was loaded before the error stays.
pub fn load_into_namespace(
    candidates: &[Candidate],
    options: &LoadOptions,
) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    for kind in [Kind::Nft, Kind::IptablesV4, Kind::IptablesV6] {
        for candidate in candidates.iter().filter(|one| one.kind == kind) {
            match kind {
                Kind::Nft => load_nft(candidate, options, &mut warnings)?,
                Kind::IptablesV4 => load_iptables(candidate, Family::V4, options)?,
                Kind::IptablesV6 => load_iptables(candidate, Family::V6, options)?,
                Kind::Ipset => {}
            }
        }
    }
    Ok(warnings)
}

fn load_iptables(
    candidate: &Candidate,
    family: Family,
    options: &LoadOptions,
) -> Result<(), Error> {
    let backend = match options.backend {
        Some(backend) => backend,
        None => super::resolve_backend(crate::cli::Backend::Auto)?,
    };
    let mut args: Vec<OsString> = Vec::new();
    if options.noflush {
        args.push("--noflush".into());
    }
    let mut run = Run::path(tool(backend, family, Task::Restore)?);
    if backend == Resolved::Legacy {
        let wait = (options.deadline / 2).as_secs().max(1);
        args.push(format!("--wait={wait}").into());
        if let Some(lock) = &options.xtables_lock {
            run = run.env("XTABLES_LOCKFILE", lock);
        }
    }
    let text = candidate.for_tool();
    let output = run
        .args(args)
        .stdin(text.clone())
        .deadline(options.deadline)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text);
    Err(refused(
        candidate,
        &text,
        &output,
        iptables_place(&output.stderr, &text),
    ))
}

fn load_nft(
    candidate: &Candidate,
    options: &LoadOptions,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let bytes = candidate.for_tool();
    let text = String::from_utf8_lossy(&bytes);
    if !options.noflush && !replaces(&text) && has_tables()? {
        warnings.push(format!(
            "{}: it flushes or deletes nothing, so its rules are added to those that are there; \
             begin it with `flush ruleset`, or give --noflush if that is meant",
            candidate.name
        ));
    }
    let mut args: Vec<OsString> = Vec::new();
    // nft(8): includes without a leading `/` or `./` are searched in the include path.
    if let Some(dir) = candidate.path.as_deref().and_then(Path::parent) {
        args.extend(["-I".into(), dir.into()]);
    }
    args.extend(["-f".into(), "-".into()]);
    let output = Run::tool("nft")?
        .args(args)
        .stdin(bytes.clone())
        .deadline(options.deadline)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(refused(
        candidate,
        &text,
        &output,
        nft_place(&output.stderr),
    ))
}

/// Whether an nft script takes anything away before it adds.
fn replaces(script: &str) -> bool {
    script
        .lines()
        .flat_map(|line| line.split(';'))
        .filter_map(|statement| statement.split_ascii_whitespace().next())
        .any(|verb| matches!(verb, "flush" | "delete" | "destroy" | "include"))
}

fn has_tables() -> Result<bool, Error> {
    let listed = Run::tool("nft")?.args(["list", "tables"]).success()?;
    Ok(!listed.trim_ascii().is_empty())
}

fn refused(candidate: &Candidate, text: &str, output: &exec::Output, place: Place) -> Error {
    let source_line = match (&place.file, place.line) {
        (None, Some(number)) => line(text, number).map(str::to_owned),
        (Some(_), _) => place.source_line,
        (None, None) => None,
    };
    let how = exec::describe(output.status);
    let message = match (place.message.as_str(), output.status.code()) {
        ("", _) => format!("the tool gave no reason ({how})"),
        (said, Some(_)) => said.to_owned(),
        (said, None) => format!("the tool crashed ({how}): {said}"),
    };
    Error::Refused {
        name: place.file.unwrap_or_else(|| candidate.name.clone()),
        line: place.line,
        message,
        source_line,
    }
}
