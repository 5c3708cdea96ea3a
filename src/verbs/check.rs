//! `safe-apply check`: rehearse; the live firewall is only read.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{apply, require_root, start};
use crate::candidate::{self, Candidate, How, Resolved};
use crate::checkpoint::{Proof, Snapshot, prove};
use crate::cli::{Backend, Check};
use crate::client::{err, out};
use crate::connection::origin;
use crate::exit::Exit;
use crate::rehearsal::report::{self, Asked, Look, Report, Verdict};
use crate::rehearsal::{Subject, rehearse};
use crate::transaction::Store;

/// Rehearses rule files, or the live rules.
///
/// # Errors
/// When nothing can be rehearsed here; the firewall is untouched in any case.
pub fn run(store: &Store, args: &Check) -> Result<Exit> {
    let candidates = if args.live {
        Vec::new()
    } else {
        match candidate::load(&args.rules, &mut std::io::stdin()) {
            Ok(candidates) => candidates,
            Err(error) => return Ok(apply::refused(args.json, &error)),
        }
    };
    require_root("a rehearsal")?;
    let backend = match apply::backend(&candidates, args.loading.backend) {
        Ok(backend) => backend,
        Err(error) => return Ok(apply::refused(args.json, &error)),
    };
    let how = How {
        backend: match backend {
            Backend::Nft => Some(Resolved::Nft),
            Backend::Legacy => Some(Resolved::Legacy),
            Backend::Auto => None,
        },
        noflush: args.loading.noflush,
    };
    let scratch = tempfile::tempdir().context("no directory for lock files")?;
    let checkpoint = Snapshot::capture().context("the rules that are live cannot be read")?;
    let compiled = if args.live {
        None
    } else {
        Some(compile(&candidates, how, &checkpoint, scratch.path())?)
    };
    let subject = Subject {
        origin: &origin(Path::new("/proc"), rustix::process::getpid().as_raw_pid()),
        wishes: &start::wishes(store, &args.rehearsal)?,
        checkpoint: &checkpoint,
        compiled: compiled.as_ref(),
        candidates: &candidates,
        how,
        scratch: scratch.path(),
    };
    let report = rehearse(&subject).context("nothing could be rehearsed")?;
    show(&report, args)?;
    Ok(exit(&report))
}

/// What the candidate makes of the live rules.
fn compile(
    candidates: &[Candidate],
    how: How,
    checkpoint: &Snapshot,
    scratch: &Path,
) -> Result<Snapshot> {
    let lock = scratch.join("xtables.lock");
    let namespace = match prove(checkpoint, &lock)? {
        Proof::Proven(namespace) => namespace,
        Proof::NoNamespace(error) => {
            bail!(
                "no scratch network namespace can be made here ({error}): nothing can be rehearsed"
            )
        }
        Proof::Failed(differences) => bail!(
            "the live rules do not load exactly in a scratch network namespace:\n  {}",
            differences.join("\n  ")
        ),
    };
    candidate::furnish(&namespace, candidates)?;
    let (compiled, warnings) =
        namespace.enter(|| candidate::compile(candidates, how, checkpoint, &lock))??;
    for warning in warnings {
        err(&format!("Warning: {warning}"));
    }
    Ok(compiled)
}

fn show(report: &Report, args: &Check) -> Result<()> {
    if args.json {
        out(&report::line(report)?);
        return Ok(());
    }
    let asked = if args.live { Asked::Live } else { Asked::Check };
    out(report::render(report, asked, Look::of_stdout(args.all)).trim_end());
    Ok(())
}

fn exit(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Lockout | Verdict::Unmet => Exit::Refused,
        Verdict::Unknown if report.session.is_some() => Exit::Failed,
        Verdict::Safe | Verdict::Unknown if report.way_back == Some(false) => Exit::Failed,
        Verdict::Safe | Verdict::Unknown => Exit::Success,
    }
}
