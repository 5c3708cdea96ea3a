//! Rule files of real hosts: each one as the state before, something destructive applied,
//! rolled back; every save tool must print what it printed before, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Backend, Lab, Saves, assert_same};

/// The folder of the corpus; none, with a notice, where the environment does not name it.
fn corpus(kind: &str) -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        eprintln!("SAFE_APPLY_CORPUS is not set: no corpus to test with");
        return Vec::new();
    };
    let folder = Path::new(&folder).join(kind);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

/// These are damaged, or need modules that kernels do not have: they must be refused.
fn damaged(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains("openwrt") || name.contains("veroneau")
}

/// A server where nothing moves a counter, and what its save tools print.
fn server(backend: Backend) -> (Lab, Saves) {
    let lab = Lab::offline(backend);
    let nothing = lab.saves();
    assert!(nothing.is_empty());
    (lab, nothing)
}

/// Applies `wreck`, rolls back, compares.
fn survives(lab: &Lab, path: &Path, wreck: &str) {
    let before = lab.saves();
    let done = lab.server(&format!(
        "safe-apply --detach --force --timeout 600 {wreck}"
    ));
    assert_eq!(done.code, 0, "{}: {}", path.display(), done.all());
    assert_ne!(
        lab.saves(),
        before,
        "{}: nothing was wrecked",
        path.display()
    );
    let done = lab.server("safe-apply rollback");
    assert_eq!(done.code, 0, "{}: {}", path.display(), done.all());
    assert_same(&lab.saves(), &before);
}

const WRECK_V4: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n\
                        *nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                        :POSTROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 192.0.2.1\nCOMMIT\n";

#[test]
fn iptables_files_survive_on_nf_tables() {
    iptables_files_survive(Backend::Nft);
}

#[test]
fn iptables_files_survive_on_legacy() {
    iptables_files_survive(Backend::Legacy);
}

fn iptables_files_survive(backend: Backend) {
    for path in corpus("iptables") {
        // Legacy tables stay once they were used: each file gets a host of its own.
        let (lab, nothing) = server(backend);
        let wreck = lab.file("wreck.v4", WRECK_V4);
        let file = lab.file("before", fs::read(&path).unwrap());
        if damaged(&path) {
            let done = lab.server(&format!("safe-apply --force --timeout 600 v4:{file}"));
            assert!(
                [1, 2].contains(&done.code),
                "{}: {}",
                path.display(),
                done.all()
            );
            assert!(
                !done.all().trim().is_empty(),
                "{}: no reason given",
                path.display()
            );
            assert_same(&lab.saves().without_pristine_tables(), &nothing);
            continue;
        }
        let loaded = lab.server(&format!("iptables-restore -c <{file}"));
        assert_eq!(loaded.code, 0, "{}: {}", path.display(), loaded.all());
        // All tables exist before, so that a legacy table which appears is no difference.
        lab.server("iptables-save >/dev/null; iptables -t nat -S >/dev/null")
            .exits(0);
        survives(&lab, &path, &wreck);
    }
}

#[test]
fn native_files_survive() {
    let (lab, nothing) = server(Backend::Nft);
    let wreck = lab.file(
        "wreck.nft",
        "flush ruleset\ntable inet wreck { chain everything { type filter hook input priority 0; policy drop; }; }\n",
    );
    let (mut survivors, mut files) = (0, 0);
    for path in corpus("nft") {
        files += 1;
        let file = lab.file("before.nft", fs::read(&path).unwrap());
        if lab
            .server(&format!("nft -c -f {file} && nft -f {file}"))
            .code
            != 0
        {
            continue;
        }
        survives(&lab, &path, &wreck);
        survivors += 1;
        lab.server("nft flush ruleset").exits(0);
        assert_same(&lab.saves(), &nothing);
    }
    assert!(
        survivors > 20 || survivors == files,
        "only {survivors} of {files} files load"
    );
}
