//! The guardian as a systemd unit: whether it can be one, and the command that starts it.
//!
//! As a unit the guardian is out of reach of the session's end (logind's
//! `KillUserProcesses=`) and systemd restarts it when it is killed. Where the unit files
//! are installed, an instance of the template is started; else a transient unit
//! with the same properties, which are read from the unit file itself.

mod state;

use std::ffi::OsString;
use std::path::Path;

use crate::paths;

pub use state::{is_restarted, is_up};

/// The template, with `@BINDIR@` for the directory of the binary, `%i` for the transaction.
const TEMPLATE: &str = include_str!("../systemd/safe-apply-guardian@.service");
/// Its file name.
pub const TEMPLATE_NAME: &str = "safe-apply-guardian@.service";
/// What the template's commands begin with.
const COMMAND: &str = "@BINDIR@/safe-apply";
/// Settings without which a guardian would not be guarded itself.
const ESSENTIAL: [&str; 4] = ["Type", "Restart", "KillMode", "StartLimitIntervalSec"];
/// Where unit files are looked for, below the root (systemd.unit(5)).
const UNIT_DIRS: [&str; 4] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// Settings of the template that the command line of `systemd-run` states in another way.
const STATED_OTHERWISE: [&str; 3] = ["Description", "Documentation", "ExecStart"];

/// Whether PID 1 is systemd and ready for commands: its name in `proc_root/1/comm`, and
/// `/run/systemd/system` below `root` (`sd_booted(3)`).
#[must_use]
pub fn systemd_runs(proc_root: &Path, root: &Path) -> bool {
    let comm = std::fs::read_to_string(proc_root.join("1/comm"));
    comm.is_ok_and(|comm| comm.trim_end() == "systemd") && root.join("run/systemd/system").is_dir()
}

/// Whether the guardian of a change made by this process can be a unit: systemd runs, and
/// works in this process's network namespace, whose rules the guardian is to change.
#[must_use]
pub fn applies(proc_root: &Path, root: &Path) -> bool {
    let namespace = |process: &str| std::fs::read_link(proc_root.join(process).join("ns/net"));
    let shared = match (namespace("self"), namespace("1")) {
        (Ok(own), Ok(first)) => own == first,
        (Err(_), _) | (_, Err(_)) => false,
    };
    shared && systemd_runs(proc_root, root)
}

/// Whether the template is installed below `root` and starts this very `binary`: another
/// version's guardian might not understand this version's journal.
#[must_use]
pub fn unit_installed(root: &Path, binary: &Path) -> bool {
    let command = format!("ExecStart={} __guardian %i", binary.display());
    let unit = UNIT_DIRS
        .iter()
        .find_map(|dir| std::fs::read_to_string(root.join(dir).join(TEMPLATE_NAME)).ok());
    unit.is_some_and(|unit| unit.lines().any(|line| line == command))
}

/// The variables that move safe-apply's directories, as far as `get` (normally
/// `std::env::var`) knows them.
#[must_use]
pub fn environment(get: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    [
        paths::STATE_ENV,
        paths::RUN_ENV,
        paths::CONFIG_ENV,
        paths::ROOT_ENV,
    ]
    .iter()
    .filter_map(|name| Some(((*name).to_owned(), get(name)?)))
    .filter(|(_, value)| !value.is_empty())
    .collect()
}

/// The name of the unit that guards transaction `id`.
#[must_use]
pub fn unit_name(id: &str, unit_installed: bool, env: &[(String, String)]) -> String {
    if unit_installed && env.is_empty() {
        template_instance(id)
    } else {
        transient_unit(id)
    }
}

fn template_instance(id: &str) -> String {
    format!("safe-apply-guardian@{id}.service")
}

fn transient_unit(id: &str) -> String {
    format!("safe-apply-guardian-{id}.service")
}

/// The command (tool name first) that starts the guardian of transaction `id` and returns
/// once it has notified readiness.
///
/// The installed template is used only without `env`, because an instance of it
/// would not see these variables. A transient unit is made `without` some settings.
#[must_use]
pub fn start_command(
    id: &str,
    unit_installed: bool,
    binary: &Path,
    env: &[(String, String)],
    without: &[String],
) -> Vec<OsString> {
    let name = unit_name(id, unit_installed, env);
    if unit_installed && env.is_empty() {
        return vec!["systemctl".into(), "start".into(), name.into()];
    }
    let mut command: Vec<OsString> = vec![
        "systemd-run".into(),
        "--quiet".into(),
        "--collect".into(),
        format!("--unit={name}").into(),
        format!("--description=Guardian of firewall change {id}").into(),
    ];
    command.extend(
        properties(id, binary)
            .into_iter()
            .filter(|property| {
                let name = property.split_once('=').map_or("", |(name, _)| name);
                without.iter().all(|unwanted| unwanted != name)
            })
            .map(|property| format!("--property={property}").into()),
    );
    command.extend(
        env.iter()
            .map(|(name, value)| format!("--setenv={name}={value}").into()),
    );
    command.extend(["--".into(), binary.into(), "__guardian".into(), id.into()]);
    command
}

/// The setting that this host's `systemd-run` does not know, by what it has printed on standard
/// error. An older one knows fewer; all but the essential ones can be done without.
#[must_use]
pub fn unknown_setting(stderr: &str) -> Option<String> {
    let (_, setting) = stderr.split_once("Unknown assignment")?;
    let (name, _) = setting.trim_start_matches([':', ' ']).split_once('=')?;
    (!ESSENTIAL.contains(&name)).then(|| name.to_owned())
}

/// The settings of the template that hold for a transient unit too, as `Name=value`.
fn properties(id: &str, binary: &Path) -> Vec<String> {
    let settings = TEMPLATE.lines().filter(|line| {
        let name = line.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| !name.starts_with('#') && !STATED_OTHERWISE.contains(&name))
    });
    // Words as in a unit file: quoted, and without specifiers (systemd.service(5)).
    let path = binary.display().to_string();
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    let path = format!("\"{}\"", path.replace('%', "%%"));
    settings
        .map(|setting| setting.replace(COMMAND, &path).replace("%i", id))
        .collect()
}

#[cfg(test)]
mod tests;
