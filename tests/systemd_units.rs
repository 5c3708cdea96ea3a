//! The systemd units, as installed, in the eyes of systemd itself.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::path::Path;
use std::process::Command;

const UNITS: [(&str, &str); 4] = [
    (
        "safe-apply-guardian@.service",
        include_str!("../systemd/safe-apply-guardian@.service"),
    ),
    (
        "safe-apply-recover.service",
        include_str!("../systemd/safe-apply-recover.service"),
    ),
    (
        "safe-apply-recheck.service",
        include_str!("../systemd/safe-apply-recheck.service"),
    ),
    (
        "safe-apply-recover-files.service",
        include_str!("../systemd/safe-apply-recover-files.service"),
    ),
];

/// Runs `systemd-analyze`; `None` where it is not installed, which is a failure in CI.
fn systemd_analyze(args: &[&str], unit: &Path) -> Option<(bool, String)> {
    match Command::new("systemd-analyze")
        .args(args)
        .arg(unit)
        .output()
    {
        Ok(output) => {
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.push_str(&String::from_utf8_lossy(&output.stderr));
            Some((output.status.success(), said))
        }
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: systemd-analyze: {error}");
            None
        }
        Err(error) => panic!("systemd-analyze: {error} (Debian package: systemd)"),
    }
}

/// The units with the directory of the built binary in place of `@BINDIR@`.
fn installed() -> tempfile::TempDir {
    let binary = Path::new(env!("CARGO_BIN_EXE_safe-apply"));
    let bindir = binary.parent().unwrap().to_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in UNITS {
        let instance = name.replace('@', "@20261122-121643-k7");
        let text = text.replace("@BINDIR@", bindir);
        assert!(!text.contains("@BIN"), "{name}: nothing left to substitute");
        fs::write(dir.path().join(instance), text).unwrap();
    }
    dir
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let dir = installed();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let unit = entry.unwrap().path();
        let Some((success, said)) = systemd_analyze(&["verify", "--man=no"], &unit) else {
            return;
        };
        // An unknown setting is only a warning, with exit status 0.
        let complaints: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("safe-apply"))
            .collect();
        assert!(
            success && complaints.is_empty(),
            "{}: {said}",
            unit.display()
        );
    }
}

#[test]
fn a_typo_would_be_noticed() {
    let dir = installed();
    let unit = dir.path().join("safe-apply-recover.service");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("UMask=", "UMusk=")).unwrap();
    if let Some((_, said)) = systemd_analyze(&["verify", "--man=no"], &unit) {
        assert!(said.contains("UMusk"), "{said}");
    }
}

#[test]
fn all_units_are_hardened_alike() {
    let names = [
        "Capability",
        "LimitCORE",
        "Lock",
        "NoNew",
        "OOMScore",
        "Protect",
        "Restrict",
        "SystemCall",
        "UMask",
    ];
    let hardening = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect()
    };
    let sorted = |(_, text)| {
        let mut lines = hardening(text);
        lines.sort();
        lines
    };
    let [guardian, recover, recheck, _] = UNITS.map(sorted);
    assert_eq!(guardian, recover);
    assert_eq!(guardian, recheck);
    for name in names {
        let set = guardian.iter().any(|line| line.starts_with(name));
        assert!(set, "no {name}: {guardian:?}");
    }
}
