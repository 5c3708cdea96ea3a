//! How long safe-apply takes next to the tools that do the same: `make bench`.
//!
//! Everything of one line is measured in one run, in scratch network namespaces, alternating between
//! safe-apply and the tool, so that the ratio holds where the times do not. A ratio below 1 means that
//! safe-apply is faster. `MAX_RULES` leaves out larger rulesets.

#![allow(clippy::print_stdout)] // the table is the product

mod rehearsal;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use safe_apply::exec::Run;
use safe_apply::netns::NetNs;
use safe_apply::nftables::{Ruleset, TableId, bring};

/// Number of rules, and how often each thing is measured with that many.
const SIZES: [(usize, usize); 4] = [(10, 21), (1_000, 11), (10_000, 5), (100_000, 3)];

/// A thing to measure; what it prepares beforehand is not measured.
struct Task<'a> {
    prepare: Box<dyn Fn() -> Result<()> + 'a>,
    work: Box<dyn Fn() -> Result<()> + 'a>,
}

impl<'a> Task<'a> {
    fn new(prepare: impl Fn() -> Result<()> + 'a, work: impl Fn() -> Result<()> + 'a) -> Self {
        Self {
            prepare: Box::new(prepare),
            work: Box::new(work),
        }
    }

    fn time(&self) -> Result<Duration> {
        (self.prepare)()?;
        let start = Instant::now();
        (self.work)()?;
        Ok(start.elapsed())
    }
}

fn main() -> Result<()> {
    let largest = match std::env::var("MAX_RULES") {
        Ok(text) => text.parse().context("MAX_RULES is not a number")?,
        Err(_) => usize::MAX,
    };
    println!(
        "{:>7}  {:<34} {:>12}  {:<24} {:>12} {:>7}",
        "rules", "task", "safe-apply", "tool", "", "ratio"
    );
    for (rules, runs) in SIZES.into_iter().filter(|(rules, _)| *rules <= largest) {
        with_iptables(rules, runs)?;
        with_nft(rules, runs)?;
        end_to_end(rules, runs)?;
        rehearsal::rehearsal(rules, runs)?;
    }
    Ok(())
}

/// Rules that `iptables-nft` made.
fn with_iptables(rules: usize, runs: usize) -> Result<()> {
    let text = iptables_text(rules, "ACCEPT");
    let changed_text = iptables_text(rules, "DROP");
    let changed = compiled("iptables-nft-restore", &changed_text)?;
    scratch(|| {
        let load = |text: &str| tool("iptables-nft-restore", &[], text);
        load(&text)?;
        let original = Ruleset::capture()?;
        let line = |task: &str, ours: &Task<'_>, tool: &str, theirs: &Task<'_>| {
            compare(rules, runs, task, ours, tool, theirs)
        };
        let nothing = || Ok(());
        line(
            "save",
            &Task::new(nothing, save),
            "iptables-nft-save -c",
            &Task::new(nothing, || tool("iptables-nft-save", &["-c"], "")),
        )?;
        let flush = || tool("nft", &["flush", "ruleset"], "");
        let before = saved()?;
        flush()?;
        bring_to(&original)?;
        ensure!(saved()? == before, "the restored rules differ");
        line(
            "restore after everything was lost",
            &Task::new(flush, || bring_to(&original)),
            "iptables-nft-restore",
            &Task::new(flush, || load(&text)),
        )?;
        let back = || bring_to(&original);
        line(
            "change one rule",
            &Task::new(back, || bring_to(&changed)),
            "iptables-nft-restore",
            &Task::new(back, || load(&changed_text)),
        )
    })
}

/// Native rules.
fn with_nft(rules: usize, runs: usize) -> Result<()> {
    let text = nft_text(rules);
    scratch(|| {
        let load = || tool("nft", &["-f", "-"], &text);
        load()?;
        let original = Ruleset::capture()?;
        let nothing = || Ok(());
        compare(
            rules,
            runs,
            "save",
            &Task::new(nothing, save),
            "nft list ruleset",
            &Task::new(nothing, || tool("nft", &["list", "ruleset"], "")),
        )?;
        let flush = || tool("nft", &["flush", "ruleset"], "");
        compare(
            rules,
            runs,
            "restore after everything was lost",
            &Task::new(flush, || bring_to(&original)),
            "nft -f",
            &Task::new(flush, load),
        )
    })
}

/// The whole program: apply a change of one rule, with checkpoint, proof and guardian, and roll back.
fn end_to_end(rules: usize, runs: usize) -> Result<()> {
    let text = iptables_text(rules, "ACCEPT");
    let changed_text = iptables_text(rules, "DROP");
    let state = tempfile::tempdir()?;
    let candidate = state.path().join("candidate.v4");
    std::fs::write(&candidate, &changed_text)?;
    let safe_apply = |args: &[&str]| -> Result<()> {
        Run::path(env!("CARGO_BIN_EXE_safe-apply"))
            .args(args)
            .env("SAFE_APPLY_STATE_DIR", state.path().join("state"))
            .env("SAFE_APPLY_RUN_DIR", state.path().join("run"))
            .success()?;
        Ok(())
    };
    let candidate = candidate.to_str().context("the path is not UTF-8")?;
    scratch(|| {
        tool("iptables-nft-restore", &[], &text)?;
        let before = saved()?;
        let apply = || safe_apply(&["--detach", "--force", "--backend", "nft", candidate]);
        apply()?;
        ensure!(saved()? != before, "the new rules are not live");
        safe_apply(&["rollback"])?;
        ensure!(saved()? == before, "the old rules are not back");
        let nothing = || Ok(());
        compare(
            rules,
            runs,
            "apply --detach, then rollback",
            &Task::new(nothing, || {
                apply()?;
                safe_apply(&["rollback"])
            }),
            "iptables-nft-restore x 2",
            &Task::new(nothing, || {
                tool("iptables-nft-restore", &[], &changed_text)?;
                tool("iptables-nft-restore", &[], &text)
            }),
        )
    })
}

/// Measures both in turn and prints one line of the table.
fn compare(
    rules: usize,
    runs: usize,
    task: &str,
    ours: &Task<'_>,
    tool: &str,
    theirs: &Task<'_>,
) -> Result<()> {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        our_times.push(ours.time().with_context(|| format!("safe-apply: {task}"))?);
        their_times.push(theirs.time().with_context(|| format!("{tool}: {task}"))?);
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    println!(
        "{rules:>7}  {task:<34} {:>9.2} ms  {tool:<24} {:>9.2} ms {:>7.2}",
        ours.as_secs_f64() * 1e3,
        theirs.as_secs_f64() * 1e3,
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    Ok(())
}

/// The middle one of an odd number of times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What safe-apply does to get from whatever is live to `target`: look, compare, one batch, look again.
fn bring_to(target: &Ruleset) -> Result<()> {
    let live = Ruleset::capture()?;
    let mut tables: Vec<TableId> = Vec::new();
    for table in live.tables.iter().chain(&target.tables) {
        if !tables.contains(&table.id) {
            tables.push(table.id.clone());
        }
    }
    bring(&live, target, &tables)?;
    Ok(())
}

fn save() -> Result<()> {
    let _ruleset = Ruleset::capture()?;
    Ok(())
}

/// The kernel's form of what `restore_tool` makes of `text`.
fn compiled(restore_tool: &str, text: &str) -> Result<Ruleset> {
    scratch(|| {
        tool(restore_tool, &[], text)?;
        Ok(Ruleset::capture()?)
    })
}

fn scratch<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    NetNs::scratch()
        .and_then(|namespace| namespace.enter(work))
        .context("a network namespace cannot be made (root is needed)")?
}

/// What `iptables-nft-save` prints, without its comments, which hold the time.
fn saved() -> Result<String> {
    let bytes = Run::tool("iptables-nft-save")?.success()?;
    let text = String::from_utf8(bytes)?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).collect())
}

fn tool(name: &str, args: &[&str], stdin: &str) -> Result<()> {
    Run::tool(name)?
        .args(args.iter().copied())
        .stdin(stdin)
        .success()?;
    Ok(())
}

/// A ruleset in iptables-save format; the rule in the middle has `verdict`.
fn iptables_text(rules: usize, verdict: &str) -> String {
    let mut text =
        String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
    for rule in 0..rules {
        let (address, port) = target_of(rule);
        let verdict = if rule == rules / 2 { verdict } else { "ACCEPT" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "-A INPUT -s {address}/32 -p tcp -m tcp --dport {port} -j {verdict}"
        );
    }
    text + "COMMIT\n"
}

/// The same rules as an nft script.
fn nft_text(rules: usize) -> String {
    let mut text = String::from(
        "table ip filter {\n chain input {\n  type filter hook input priority 0; policy accept;\n",
    );
    for rule in 0..rules {
        let (address, port) = target_of(rule);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  ip saddr {address} tcp dport {port} counter accept");
    }
    text + " }\n}\n"
}

/// A source address and a port that only rule number `rule` has.
fn target_of(rule: usize) -> (String, usize) {
    let (high, low) = (rule / 65_536, rule % 65_536);
    let address = format!("10.{high}.{}.{}", low / 256, low % 256);
    (address, 1 + rule % 65_535)
}
