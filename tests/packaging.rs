//! What `make install` and the packages put in place, from one list: `packaging/files`.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGES: [&str; 2] = ["safe-apply.1", "safe-apply-confirm.1"];

/// A directory with stand-ins for what a build makes.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let docs = dir.path().join("docs");
        fs::create_dir(&docs).unwrap();
        let completions = ["safe-apply.bash", "_safe-apply", "safe-apply.fish"];
        for name in PAGES.into_iter().chain(completions) {
            fs::write(docs.join(name), name).unwrap();
        }
        fs::write(dir.path().join("binary"), [0, 159, 146, 150]).unwrap();
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    #[track_caller]
    fn run(&self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/install.sh");
        let mut install = Command::new(script);
        install.arg(verb).env("DESTDIR", self.root());
        for (name, path) in [
            ("BINDIR", "/opt/x/bin"),
            ("LIBDIR", "/opt/x/lib"),
            ("UNITDIR", "/opt/x/lib/systemd/system"),
            ("DATADIR", "/opt/x/share"),
            ("ZSHDIR", "/opt/x/share/zsh/site-functions"),
            ("SYSCONFDIR", "/etc"),
        ] {
            install.env(name, path);
        }
        install.env("BINARY", self.dir.path().join("binary"));
        install.env("DOCS", self.dir.path().join("docs"));
        let output = install.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut todo = vec![self.root()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    todo.push(path);
                } else {
                    let path = path.strip_prefix(self.root()).unwrap();
                    found.insert(path.to_str().unwrap().to_owned());
                }
            }
        }
        found
    }
}

#[test]
fn install_puts_everything_in_place_and_uninstall_takes_it_away() {
    let place = Place::new();
    place.run("install");
    let files = place.files();
    for (file, mode) in [
        ("opt/x/bin/safe-apply", 0o755),
        (
            "opt/x/lib/systemd/system/safe-apply-guardian@.service",
            0o644,
        ),
        ("opt/x/share/man/man1/safe-apply-confirm.1", 0o644),
        ("etc/profile.d/safe-apply.sh", 0o644),
        ("etc/safe-apply.toml", 0o644),
    ] {
        assert!(files.contains(file), "{file} is not in {files:#?}");
        let found = fs::metadata(place.root().join(file)).unwrap().permissions();
        assert_eq!(found.mode() & 0o777, mode, "{file}");
    }
    for file in files.iter().filter(|file| !file.starts_with("opt/x/bin/")) {
        let text = fs::read_to_string(place.root().join(file)).unwrap();
        assert!(!text.contains("@BINDIR@"), "{file}");
    }
    let binary = fs::read(place.root().join("opt/x/bin/safe-apply")).unwrap();
    assert_eq!(binary, [0, 159, 146, 150]);
    let notice = fs::read_to_string(place.root().join("etc/profile.d/safe-apply.sh")).unwrap();
    assert!(notice.contains("/opt/x/bin/safe-apply status --notice"));

    fs::remove_dir_all(place.dir.path().join("docs")).unwrap();
    place.run("uninstall");
    assert_eq!(place.files(), BTreeSet::new());
}

#[test]
fn settings_are_the_administrators() {
    let place = Place::new();
    let settings = place.root().join("etc/safe-apply.toml");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, "history = 3\n").unwrap();
    place.run("install");
    place.run("install");
    assert_eq!(fs::read_to_string(&settings).unwrap(), "history = 3\n");
    place.run("uninstall");
    assert_eq!(
        place.files(),
        BTreeSet::from(["etc/safe-apply.toml".to_owned()])
    );
}

#[test]
fn the_example_of_the_settings_is_what_the_program_understands() {
    let text = include_str!("../packaging/safe-apply.toml");
    let defaults = safe_apply::config::Config::default();
    assert_eq!(safe_apply::config::Config::parse(text).unwrap(), defaults);
    let set: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let example = safe_apply::config::Config::parse(&set).unwrap();
    assert_eq!(example.group.as_deref(), Some("netadmin"));
    assert_eq!(example.history, defaults.history);
    assert_eq!(example.require.len(), 2);
}

#[test]
fn the_packages_have_the_version_and_all_files() {
    let changelog = include_str!("../packaging/debian/changelog");
    let version = format!("safe-apply ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&version), "{version}");
    let spec = include_str!("../packaging/rpm/safe-apply.spec");
    for line in include_str!("../packaging/files").lines() {
        let Some(destination) = line
            .split_whitespace()
            .nth(2)
            .filter(|it| it.starts_with('@'))
        else {
            continue;
        };
        let path = destination
            .replace("@BINDIR@", "/usr/bin")
            .replace("@LIBDIR@", "/usr/lib")
            .replace("@UNITDIR@", "/usr/lib/systemd/system")
            .replace("@DATADIR@", "/usr/share")
            .replace("@ZSHDIR@", "/usr/share/zsh/site-functions")
            .replace("@SYSCONFDIR@", "/etc");
        let listed = spec
            .lines()
            .filter_map(|line| line.split_whitespace().last());
        let times = listed
            .filter(|listed| *listed == path || *listed == format!("{path}*"))
            .count();
        assert_eq!(times, 1, "{path} in the spec");
    }
}
