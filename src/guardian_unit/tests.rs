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
    let command = start_command("20261122-121643-k7", true, binary, &[], &[]);
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
    let command = start_command("k7", true, Path::new("/opt/safe-apply"), &env, &[]);
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
    let command = start_command("k7", false, Path::new("/opt/safe-apply"), &[], &[]);
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

#[test]
fn an_older_systemd_is_asked_for_what_it_knows() {
    let said = "Unknown assignment: ProtectHostname=yes";
    let unknown = unknown_setting(said).unwrap();
    assert_eq!(unknown, "ProtectHostname");
    let binary = Path::new("/opt/safe-apply");
    let all = start_command("k7", false, binary, &[], &[]);
    let fewer = start_command("k7", false, binary, &[], &[unknown]);
    assert_eq!(fewer.len() + 1, all.len());
    assert!(!fewer.contains(&"--property=ProtectHostname=yes".into()));
    assert_eq!(
        unknown_setting("Unknown assignment: Restart=on-failure"),
        None
    );
    assert_eq!(unknown_setting("Failed to connect to bus"), None);
}
