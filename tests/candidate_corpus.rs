//! Rule files found in the wild, loaded as the tools themselves would load them.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::path::{Path, PathBuf};

use safe_apply::candidate::{
    Error, Kind, LoadOptions, Resolved, load, load_into_namespace, recognise,
};
use safe_apply::exec::{DEFAULT_DEADLINE, Run};
use safe_apply::netns::NetNs;

fn corpus(kind: &str) -> Vec<PathBuf> {
    let Some(corpus) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        println!("SAFE_APPLY_CORPUS is not set: no corpus to look at");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(&corpus).join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "an empty corpus");
    files
}

fn load_file(path: &Path, backend: Resolved, lock: &Path) -> Result<(), Error> {
    let args = [path.to_str().unwrap().to_owned()];
    let candidates = load(&args, &mut &b""[..])?;
    let options = LoadOptions {
        backend: Some(backend),
        noflush: false,
        xtables_lock: Some(lock.to_owned()),
        deadline: DEFAULT_DEADLINE,
    };
    let outcome = NetNs::scratch()
        .unwrap()
        .enter(|| load_into_namespace(&candidates, &options))
        .unwrap();
    outcome.map(drop)
}

#[test]
fn iptables_files_load_but_for_the_damaged_ones() {
    let dir = tempfile::tempdir().unwrap();
    for backend in [Resolved::Nft, Resolved::Legacy] {
        for path in corpus("iptables") {
            let name = path.to_string_lossy().into_owned();
            let damaged = name.contains("openwrt") || name.contains("veroneau");
            match load_file(&path, backend, &dir.path().join("lock")) {
                Ok(()) => assert!(!damaged, "{backend:?} {name}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(damaged && said.starts_with(&name), "{backend:?} {said}");
                    println!("{backend:?} {said}");
                }
            }
        }
    }
}

#[test]
fn nft_scripts_load_exactly_when_nft_loads_them_itself() {
    for path in corpus("nft") {
        let ours = load_file(&path, Resolved::Nft, Path::new("/nonexistent"));
        let script = std::fs::read(&path).unwrap();
        let theirs = NetNs::scratch()
            .unwrap()
            .enter(|| {
                Run::tool("nft")
                    .unwrap()
                    .args(["-f", "-"])
                    .stdin(script)
                    .output()
            })
            .unwrap()
            .unwrap();
        assert_eq!(
            ours.is_ok(),
            theirs.status.success(),
            "{}: {ours:?}",
            path.display()
        );
        if let Err(Error::Refused { line, message, .. }) = &ours {
            let crashed = message.starts_with("the tool crashed (killed by signal");
            assert!(crashed || line.is_some() && !message.is_empty(), "{ours:?}");
        }
    }
}

#[test]
fn every_file_is_recognised() {
    for (dir, expected) in [("iptables", Kind::IptablesV4), ("nft", Kind::Nft)] {
        for path in corpus(dir) {
            let name = path.to_string_lossy();
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            match recognise(&name, &text, None) {
                Ok(kind) => assert_eq!(kind, expected, "{name}"),
                Err(error) => {
                    let damaged = name.contains("openwrt") || name.contains("veroneau");
                    assert!(damaged, "{error}");
                }
            }
        }
    }
}
