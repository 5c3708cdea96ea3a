//! The command line: the one definition behind the parser, the man pages and the completions.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

mod help;
mod rehearsal;

pub use rehearsal::{Check, RehearsalOptions};

/// Shortest time to confirm that may be asked for.
pub const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Longest time to confirm that may be asked for.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Apply firewall rules; keep them only if somebody confirms over a new connection.
#[derive(Debug, Parser)]
#[command(name = "safe-apply", version, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, arg_required_else_help = true)]
#[command(subcommand_help_heading = "Verbs", subcommand_value_name = "VERB")]
#[command(after_help = help::SHORT, after_long_help = help::LONG)]
pub struct Cli {
    /// What to do; without a verb: apply RULES.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Applying is what happens without a verb.
    #[command(flatten)]
    pub apply: Apply,
}

/// Options of apply and run.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// Time to confirm, counted from when the rules are live: 60, 90s, 5m, 1h30m (1 s to 24 h).
    #[arg(short, long, default_value = "60s", value_parser = timeout, value_name = "DURATION")]
    pub timeout: Duration,
    /// After the commit, write the rules to where this system loads them at boot, or to FILE.
    ///
    /// The file that was there is kept as a backup next to it.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub persist: Option<Option<PathBuf>>,
    /// Go on where a check would refuse; recorded in the history.
    #[arg(long)]
    pub force: bool,
    /// Return once the rules are live and the guardian waits.
    #[arg(long)]
    pub detach: bool,
    /// Print one JSON event per line.
    #[arg(long)]
    pub json: bool,
    /// Run CMD (with sh -c) after the commit.
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub on_commit: Option<String>,
    /// Run CMD (with sh -c) after a rollback.
    #[arg(long, value_name = "CMD", help_heading = "Hooks")]
    pub on_rollback: Option<String>,
}

/// Which kernel interface iptables rules go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The one that `iptables` on this host uses.
    Auto,
    /// `nf_tables` (`iptables-nft`).
    Nft,
    /// Legacy xtables (`iptables-legacy`).
    Legacy,
}

/// How rules are loaded.
#[derive(Debug, Clone, Copy, Args)]
pub struct Loading {
    /// Which kernel interface iptables rules go to.
    #[arg(long, value_enum, default_value_t = Backend::Auto, help_heading = "Rules")]
    pub backend: Backend,
    /// Add to the rules that are there instead of replacing them.
    #[arg(long, help_heading = "Rules")]
    pub noflush: bool,
}

/// Apply rules.
#[derive(Debug, Clone, Args)]
pub struct Apply {
    /// Rules files, or - for standard input; v4:FILE and v6:FILE name the family.
    #[arg(required = true, value_name = "RULES", value_parser = rules, value_hint = ValueHint::FilePath)]
    pub rules: Vec<String>,
    /// Options shared with run.
    #[command(flatten)]
    pub options: Options,
    /// Options shared with check.
    #[command(flatten)]
    pub loading: Loading,
    /// Options shared with check.
    #[command(flatten)]
    pub rehearsal: RehearsalOptions,
    /// Apply without a rehearsal.
    #[arg(long, conflicts_with_all = ["caller", "port", "require"], help_heading = "Rehearsal")]
    pub no_rehearsal: bool,
}

/// Everything but applying.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Rehearse rules: whether they would lock you out, and what they change.
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Run a command that changes the firewall, under the same net.
    #[command(after_help = help::RUN)]
    Run(Run),
    /// Keep the new rules; must come over a new connection.
    #[command(after_help = help::CONFIRM)]
    Confirm(Confirm),
    /// Restore the rules from before now.
    #[command(after_help = help::ROLLBACK)]
    Rollback(Transaction),
    /// Give more time to confirm.
    #[command(after_help = help::EXTEND)]
    Extend(Extend),
    /// Show what is pending, how long it has left, how to confirm.
    #[command(after_help = help::STATUS)]
    Status(Status),
    /// List past transactions and their outcomes.
    #[command(after_help = help::HISTORY)]
    History(Json),
    /// Show one transaction: who, when, from where, what changed, outcome, why.
    #[command(after_help = help::SHOW)]
    Show(Show),
    /// Settle what a crash or a reboot left behind.
    #[command(after_help = help::RECOVER)]
    Recover(Recover),
    /// Tell the whole story in throw-away network namespaces.
    #[command(after_help = help::DEMO)]
    Demo(Demo),
    /// The process that owns a transaction.
    #[command(name = "__guardian", hide = true)]
    Guardian(Guardian),
    /// The process that takes over when the guardian dies.
    #[command(name = "__successor", hide = true)]
    Successor(Successor),
    /// What systemd runs when the guardian's unit has stopped.
    #[command(name = "__stopped", hide = true)]
    Stopped(Stopped),
}

/// Settle what a crash or a reboot left behind.
#[derive(Debug, Clone, Args)]
pub struct Recover {
    /// Only bring back the files that are loaded at boot (at boot, before anything loads them).
    #[arg(long)]
    pub files: bool,
}

/// Run a command under the net.
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// Options shared with apply.
    #[command(flatten)]
    pub options: Options,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandName)]
    pub command: Vec<std::ffi::OsString>,
}

/// Keep the new rules.
#[derive(Debug, Clone, Args)]
pub struct Confirm {
    /// The transaction; the pending one if not given.
    pub id: Option<String>,
    /// Confirm although the connection is not known to be new; recorded in the history.
    #[arg(long)]
    pub force: bool,
}

/// Names a transaction.
#[derive(Debug, Clone, Args)]
pub struct Transaction {
    /// The transaction; the pending one if not given.
    pub id: Option<String>,
}

/// Give more time.
#[derive(Debug, Clone, Args)]
pub struct Extend {
    /// How much more: 60, 90s, 5m, 1h30m.
    #[arg(value_parser = timeout)]
    pub duration: Duration,
    /// The transaction; the pending one if not given.
    pub id: Option<String>,
}

/// Choose the form of the answer.
#[derive(Debug, Clone, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Show what is pending.
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print what a login should know, or nothing: what is pending, or how the last change ended
    /// where nobody has looked since. Any user may ask.
    #[arg(long, conflicts_with = "json")]
    pub notice: bool,
}

/// Show one transaction.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// The transaction.
    pub id: String,
}

/// Tell the story.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Which part of the story this process plays.
    #[arg(long, hide = true)]
    pub part: Option<String>,
}

/// The guardian of a transaction.
#[derive(Debug, Clone, Args)]
pub struct Guardian {
    /// The transaction.
    pub id: String,
    /// The process that takes over when this one dies; none where systemd does.
    #[arg(long)]
    pub successor: Option<i32>,
}

/// The end of a guardian's unit.
#[derive(Debug, Clone, Args)]
pub struct Stopped {
    /// The transaction.
    pub id: String,
}

/// The guardian's successor.
#[derive(Debug, Clone, Args)]
pub struct Successor {
    /// The transaction.
    pub id: String,
    /// The guardian to watch, if it runs already.
    #[arg(long)]
    pub watch: Option<i32>,
}

/// Accepts the name of a rules file; a bare verb in its place is a mistake to point out,
/// because `safe-apply --json status` would otherwise apply a file called `status`.
///
/// # Errors
/// A sentence that says how to write the verb, and how a file of that name.
pub fn rules(text: &str) -> Result<String, String> {
    let is_verb = Cli::command()
        .get_subcommands()
        .any(|verb| verb.get_name() == text);
    if is_verb {
        Err(format!(
            "{text} is a verb, and a verb comes first (safe-apply {text}); a file of that name is given as ./{text}"
        ))
    } else {
        Ok(text.to_owned())
    }
}

/// Parses a time span: a bare number is seconds; `90s`, `5m`, `1h30m` as people write them.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn timeout(text: &str) -> Result<Duration, String> {
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|_| "expected a time such as 60, 90s, 5m or 1h30m".to_owned())?,
    };
    if (TIMEOUT_MIN..=TIMEOUT_MAX).contains(&duration) {
        Ok(duration)
    } else {
        Err("expected a time from 1 s to 24 h".to_owned())
    }
}
