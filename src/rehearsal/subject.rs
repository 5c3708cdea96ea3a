//! From what the user wants to what is rehearsed.

use std::net::IpAddr;
use std::path::Path as FilePath;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::host::{Host, path_to};
use super::plan::plan;
use super::rehearse::Rehearsal;
use super::report::Report;
use super::requirement::Requirement;
use super::you::{Asked, You};
use crate::candidate::{Candidate, How};
use crate::checkpoint::Snapshot;
use crate::connection::Origin;

/// What the user wants of a rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// Whose login, if not that of the connection that the user sits on.
    pub asked: Asked,
    /// What has to be open.
    pub required: Vec<Requirement>,
}

impl Wishes {
    /// Whether more is wanted than what is rehearsed anyway.
    #[must_use]
    pub fn insists(&self) -> bool {
        self.asked != Asked::default() || !self.required.is_empty()
    }
}

/// What is to be rehearsed, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Where the user is.
    pub origin: &'a Origin,
    /// What the user wants.
    pub wishes: &'a Wishes,
    /// The rules that are live.
    pub checkpoint: &'a Snapshot,
    /// What the candidate makes of them; `None`: the live rules are asked about.
    pub compiled: Option<&'a Snapshot>,
    /// The candidate's files.
    pub candidates: &'a [Candidate],
    /// How they were compiled.
    pub how: How,
    /// A directory for lock files.
    pub scratch: &'a FilePath,
}

/// Rehearses on a stage that looks like the host of the calling thread's network namespace,
/// which is only read.
///
/// # Errors
/// When this host cannot be read, or no scratch namespace that looks like it can be had.
pub fn rehearse(subject: &Subject<'_>) -> Result<Report> {
    let host = Host::read().context("this host's network cannot be read")?;
    let path = |ip: IpAddr| path_to(ip, None).ok();
    let you =
        You::find(&host, subject.origin, subject.wishes.asked, path).map_err(anyhow::Error::msg)?;
    let plan = plan(&host, you.as_ref(), &subject.wishes.required, &path);
    let interface = you
        .as_ref()
        .and_then(|you| host.links.get(&path(you.peer.ip())?.link));
    let rehearsal = Rehearsal {
        host: &host,
        you: you.as_ref(),
        plan: &plan,
        checkpoint: subject.checkpoint,
        compiled: subject.compiled,
        candidates: subject.candidates,
        how: subject.how,
        interface: interface.map(|link| link.name.as_str()),
        scratch: subject.scratch,
    };
    rehearsal.run()
}
