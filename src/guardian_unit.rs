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
/// would not see these variables.
#[must_use]
pub fn start_command(
    id: &str,
    unit_installed: bool,
    binary: &Path,
    env: &[(String, String)],
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
            .map(|property| format!("--property={property}").into()),
    );
    command.extend(
        env.iter()
            .map(|(name, value)| format!("--setenv={name}={value}").into()),
    );
    command.extend(["--".into(), binary.into(), "__guardian".into(), id.into()]);
    command
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
mod tests {
    use super::*;
    use std::fs;

    fn words(command: &[OsString]) -> Vec<&str> {
        command.iter().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn systemd_is_recognised_by_comm_and_directory_together() {
        let dir = tempfile::tempdir().unwrap();
        let (proc_root, root) = (dir.path().join("proc"), dir.path().join("root"));
        fs::create_dir_all(proc_root.join("1")).unwrap();
        assert!(!systemd_runs(&proc_root, &root), "nothing there");
        fs::write(proc_root.join("1/comm"), "systemd\n").unwrap();
        assert!(!systemd_runs(&proc_root, &root), "no /run/systemd/system");
        fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        assert!(systemd_runs(&proc_root, &root));
        fs::write(proc_root.join("1/comm"), "tini\n").unwrap();
        assert!(!systemd_runs(&proc_root, &root), "another init");
    }

    #[test]
    fn a_container_has_no_unit_on_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let (proc_root, root) = (dir.path().join("proc"), dir.path().join("root"));
        fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        for (process, namespace) in [("1", "net:[1]"), ("self", "net:[2]")] {
            fs::create_dir_all(proc_root.join(process).join("ns")).unwrap();
            let link = proc_root.join(process).join("ns/net");
            std::os::unix::fs::symlink(namespace, link).unwrap();
        }
        fs::write(proc_root.join("1/comm"), "systemd\n").unwrap();
        assert!(systemd_runs(&proc_root, &root));
        assert!(!applies(&proc_root, &root));
        let own = proc_root.join("self/ns/net");
        fs::remove_file(&own).unwrap();
        assert!(!applies(&proc_root, &root), "not known, so not assumed");
        std::os::unix::fs::symlink("net:[1]", own).unwrap();
        assert!(applies(&proc_root, &root));
    }

    #[test]
    fn the_template_counts_only_if_it_starts_this_binary() {
        let dir = tempfile::tempdir().unwrap();
        let binary = Path::new("/usr/local/bin/safe-apply");
        assert!(!unit_installed(dir.path(), binary));
        let units = dir.path().join("usr/local/lib/systemd/system");
        fs::create_dir_all(&units).unwrap();
        let unit = TEMPLATE.replace("@BINDIR@", "/usr/local/bin");
        fs::write(units.join(TEMPLATE_NAME), unit).unwrap();
        assert!(unit_installed(dir.path(), binary));
        assert!(!unit_installed(
            dir.path(),
            Path::new("/usr/bin/safe-apply")
        ));
        let override_dir = dir.path().join("etc/systemd/system");
        fs::create_dir_all(&override_dir).unwrap();
        fs::write(override_dir.join(TEMPLATE_NAME), "[Service]\n").unwrap();
        assert!(!unit_installed(dir.path(), binary), "/etc comes first");
    }

    #[test]
    fn an_installed_template_is_instantiated() {
        let binary = Path::new("/usr/bin/safe-apply");
        let command = start_command("20261122-121643-k7", true, binary, &[]);
        let unit = "safe-apply-guardian@20261122-121643-k7.service";
        assert_eq!(words(&command), ["systemctl", "start", unit]);
    }

    #[test]
    fn moved_directories_need_a_transient_unit() {
        let env = environment(|name| match name {
            paths::STATE_ENV => Some("/tmp/state".to_owned()),
            paths::RUN_ENV => Some(String::new()),
            _ => None,
        });
        assert_eq!(env.len(), 1, "an empty value is the default");
        let command = start_command("k7", true, Path::new("/opt/safe-apply"), &env);
        let words = words(&command);
        assert_eq!(words[0], "systemd-run");
        assert!(words.contains(&"--setenv=SAFE_APPLY_STATE_DIR=/tmp/state"));
        assert!(words.contains(&"--unit=safe-apply-guardian-k7.service"));
        assert_eq!(
            words[words.len() - 4..],
            ["--", "/opt/safe-apply", "__guardian", "k7"]
        );
    }

    #[test]
    fn a_transient_unit_has_the_properties_of_the_template() {
        let command = start_command("k7", false, Path::new("/opt/safe-apply"), &[]);
        let given: Vec<&str> = words(&command)
            .into_iter()
            .filter_map(|word| word.strip_prefix("--property="))
            .collect();
        let settings: Vec<&str> = TEMPLATE
            .lines()
            .filter(|line| !line.starts_with(['#', '[']) && !line.is_empty())
            .filter(|line| !line.starts_with("ExecStart="))
            .filter(|line| !line.starts_with("D"))
            .collect();
        let stopped = "ExecStopPost=\"/opt/safe-apply\" __stopped k7";
        assert!(given.contains(&stopped), "{given:?}");
        let but_for_it = |all: Vec<&'static str>| -> Vec<String> {
            let others = all.into_iter().map(str::to_owned);
            others
                .filter(|one| !one.starts_with("ExecStopPost="))
                .collect()
        };
        assert_eq!(given.len(), settings.len());
        for setting in but_for_it(settings) {
            assert!(given.contains(&setting.as_str()), "{setting}");
        }
        for needed in [
            "Type=notify",
            "Restart=on-failure",
            "StartLimitIntervalSec=0",
            "KillMode=mixed",
            "OOMScoreAdjust=-1000",
        ] {
            assert!(given.contains(&needed), "{needed} is missing");
        }
        assert!(!given.iter().any(|property| property.contains('%')));
    }
}
