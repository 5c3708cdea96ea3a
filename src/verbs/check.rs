//! `safe-apply check`: rehearse; the live firewall is only read.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{apply, require_root, start};
use crate::candidate::{self, Candidate, How, Resolved};
use crate::checkpoint::{Proof, Snapshot, prove};
use crate::cli::{Backend, Check};
use crate::client::{err, out};
use crate::connection::origin;
use crate::exit::Exit;
use crate::managers::{self, Managers};
use crate::nftables::Compare;
use crate::rehearsal::report::{self, Advice, Asked, Look, Report, Verdict};
use crate::rehearsal::{Subject, rehearse};
use crate::transaction::Store;

/// Names of directories for lock files begin with it; the process ID follows.
const PREFIX: &str = "check-";

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
    let scratch = directory(&store.paths().run).context("no directory for lock files")?;
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
    let mut report = rehearse(&subject).context("nothing could be rehearsed")?;
    if let Some(compiled) = &compiled {
        let change = managers::Change {
            touched: &checkpoint.differing(compiled, Compare::Rules),
            kinds: candidates.iter().map(|one| one.kind).collect(),
            // Whether it is kept is not asked here.
            persist: true,
            command: None,
            written: &[],
        };
        let undone = managers::undone(&Managers::survey(store.paths()), &change);
        report
            .advice
            .extend(undone.into_iter().map(Advice::of_host));
    }
    show(&report, args)?;
    Ok(exit(&report))
}

/// In the runtime directory: a check that is killed leaves it behind, and the next one or a
/// reboot removes it. Elsewhere where that cannot be.
fn directory(run: &Path) -> std::io::Result<tempfile::TempDir> {
    let mut check = tempfile::Builder::new();
    let prefix = format!("{PREFIX}{}-", std::process::id());
    check.prefix(&prefix);
    // As the store makes it.
    let made = DirBuilder::new().recursive(true).mode(0o755).create(run);
    sweep(run);
    made.and_then(|()| check.tempdir_in(run))
        .or_else(|_| check.tempdir())
}

/// Removes what processes left behind that are no more.
fn sweep(run: &Path) {
    for entry in std::fs::read_dir(run).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let owner = owner.and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Whoever cannot remove it leaves it to the next one.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
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
