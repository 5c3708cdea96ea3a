//! What is said to a rehearsal.

use clap::{Args, ValueHint, value_parser};

use super::{Loading, rules};
use crate::rehearsal::requirement::{Caller, Requirement};

/// What is rehearsed.
#[derive(Debug, Clone, Default, Args)]
pub struct RehearsalOptions {
    /// Rehearse the login of somebody at ADDR instead of yours.
    ///
    /// The port is that of a connection of theirs that is open now. An IPv6 address with a
    /// port is written [ADDR]:PORT.
    #[arg(long = "as", value_name = "ADDR[:PORT]", help_heading = "Rehearsal")]
    pub caller: Option<Caller>,
    /// The port of this host that a new login dials.
    #[arg(long, value_parser = value_parser!(u16).range(1..), help_heading = "Rehearsal")]
    pub port: Option<u16>,
    /// Refuse rules that block this, from ADDR or from anyone; may be repeated.
    ///
    /// Such as tcp/443, udp/53@198.51.100.7, tcp/443@2001:db8::7. It adds to `require` in
    /// the configuration file.
    #[arg(long, value_name = "PROTO/PORT[@ADDR]", help_heading = "Rehearsal")]
    pub require: Vec<Requirement>,
}

/// Rehearse rules.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// Rules files, or - for standard input; v4:FILE and v6:FILE name the family.
    #[arg(required_unless_present = "live", value_name = "RULES", value_parser = rules, value_hint = ValueHint::FilePath)]
    pub rules: Vec<String>,
    /// Ask about the rules that are live now.
    #[arg(long, conflicts_with_all = ["rules", "backend", "noflush"])]
    pub live: bool,
    /// Show every row, also where many are the same before and after.
    #[arg(long)]
    pub all: bool,
    /// Print the report as one line of JSON.
    #[arg(long)]
    pub json: bool,
    /// Options shared with apply.
    #[command(flatten)]
    pub loading: Loading,
    /// Options shared with apply.
    #[command(flatten)]
    pub rehearsal: RehearsalOptions,
}
