//! nf_tables: rule files found in the wild survive destruction, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;

use std::path::{Path, PathBuf};

use nftables_support::{in_scratch, nft, texts, tool, union};
use safe_apply::nftables::{Compare, Level, Ruleset, bring_at};

/// What somebody else might load over everything.
const OTHER: &str = "flush ruleset
table inet other {
    set s {
        type ipv4_addr
        elements = { 192.0.2.1 }
    }
    chain c {
        type filter hook input priority 0; policy accept;
        ip saddr @s counter drop
    }
}
table ip filter {
    chain INPUT {
        type filter hook input priority 0; policy drop;
        tcp dport { 1, 2 } counter accept
    }
}
";

/// The corpus' files, or nothing and a notice.
fn corpus() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        println!("SAFE_APPLY_CORPUS is not set: nothing to do");
        return Vec::new();
    };
    let mut files: Vec<_> = ["nft", "iptables"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(Path::new(&root).join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Loads a file into the thread's namespace, when the tools of this machine can.
fn load(path: &Path) -> bool {
    let Ok(content) = std::fs::read_to_string(path) else {
        return false;
    };
    if path.extension().is_some_and(|extension| extension == "nft") {
        return tool(&["nft", "-f", "-"], &content).is_ok();
    }
    ["iptables-nft-restore", "ip6tables-nft-restore"]
        .iter()
        .any(|restore| {
            let loaded = tool(&[restore, "-c"], &content).is_ok();
            if !loaded {
                nft("flush ruleset");
            }
            loaded
        })
}

fn bring_back(to: &Ruleset, level: Level, what: &Path) {
    let live = Ruleset::capture().unwrap();
    bring_at(&live, to, &union(&live, to), level)
        .unwrap_or_else(|error| panic!("{}, {level:?}: {error}", what.display()));
    let now = Ruleset::capture().unwrap();
    let differing = now.differing(to, Compare::Rules);
    let lines: Vec<_> = differing
        .iter()
        .flat_map(|id| to.describe_difference(&now, id))
        .collect();
    assert!(
        differing.is_empty(),
        "{}, {level:?}: {differing:?}: {lines:?}",
        what.display()
    );
}

#[test]
fn every_loadable_file_comes_back_exactly() {
    let files = corpus();
    let mut loaded = 0;
    for path in &files {
        in_scratch(|| {
            if !load(path) {
                return;
            }
            loaded += 1;
            let before = texts();
            let checkpoint = Ruleset::capture().unwrap();
            for level in [Level::Fine, Level::InPlace, Level::Recreate] {
                nft(&OTHER.replace("ip filter", "ip elsewhere"));
                bring_back(&checkpoint, level, path);
                let now = Ruleset::capture().unwrap();
                let differing = now.differing(&checkpoint, Compare::Exact);
                assert!(differing.is_empty(), "{}: {differing:?}", path.display());
                assert_eq!(texts(), before, "{}, {level:?}", path.display());
            }
            let bytes = postcard::to_stdvec(&checkpoint).unwrap();
            assert_eq!(postcard::from_bytes::<Ruleset>(&bytes).unwrap(), checkpoint);
            // Onto an empty namespace, as a rehearsal does.
            in_scratch(|| {
                bring_back(&checkpoint, Level::Fine, path);
                assert_eq!(texts(), before, "{}", path.display());
            });
        });
    }
    println!("{loaded} of {} files loaded and came back", files.len());
    assert!(files.is_empty() || loaded > 80, "{loaded}");
}

#[test]
fn from_one_file_to_the_next_and_back() {
    let files = corpus();
    let mut previous: Option<Ruleset> = None;
    for path in &files {
        in_scratch(|| {
            if !load(path) {
                return;
            }
            let one = Ruleset::capture().unwrap();
            nft(OTHER);
            let other = Ruleset::capture().unwrap();
            for two in [Some(other), previous.take()].into_iter().flatten() {
                for level in [Level::Fine, Level::InPlace] {
                    bring_back(&one, level, path);
                    bring_back(&two, level, path);
                }
            }
            previous = Some(one);
        });
    }
}
