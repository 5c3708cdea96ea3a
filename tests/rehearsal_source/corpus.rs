//! Rule files found in the wild: every rule at its line.

use std::path::{Path, PathBuf};

use safe_apply::candidate::{Candidate, Kind, Resolved};
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::source::{Sources, decision};

use crate::kernel::{candidates, chains, load_here, spot};
use crate::locate::{Found, check};

fn corpus(kind: &str) -> Vec<PathBuf> {
    let Some(corpus) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        println!("SAFE_APPLY_CORPUS is not set: no corpus to look at");
        return Vec::new();
    };
    let files = std::fs::read_dir(Path::new(&corpus).join(kind)).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "an empty corpus");
    files
}

/// Each rule of an iptables-save file gets its line as a comment.
fn with_lines(text: &str) -> String {
    let mark = |(number, line): (usize, &str)| match line.find(" -j ").or(line.find(" -g ")) {
        Some(at) if line.starts_with("-A") => {
            let (head, tail) = line.split_at(at);
            format!("{head} -m comment --comment L{number}{tail}")
        }
        None if line.starts_with("-A") => format!("{line} -m comment --comment L{number}"),
        Some(_) | None => line.to_owned(),
    };
    let lines: Vec<String> = (1..).zip(text.lines()).map(mark).collect();
    lines.join("\n") + "\n"
}

#[test]
fn iptables_corpus() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let mut sum = Found::default();
        for path in corpus("iptables") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            let text = with_lines(&text);
            let name = path.display().to_string();
            if name.contains("openwrt") || name.contains("veroneau") {
                continue;
            }
            let files = candidates(dir.path(), &[("rules", &text)]);
            let there = NetNs::scratch().unwrap();
            let loaded = there.enter(|| load_here(&files, backend, false, &lock));
            loaded.unwrap().unwrap();
            let sources = Sources::parse(&files, backend, false);
            let all = there
                .enter(|| chains(&[Kind::IptablesV4], backend))
                .unwrap();
            let found = check(&sources, &all);
            assert_eq!(found.located, found.rules, "{name}");
            sum.rules += found.rules;
            sum.located += found.located;
        }
        println!("{backend:?}: {sum:?}");
    }
}

/// Versions of nft differ in how they print numbers, counters, limits and braces.
fn plain(rule: &str) -> String {
    let words = rule
        .split([' ', ',', '{', '}'])
        .filter(|word| !word.is_empty());
    let words = words.map(|word| match word.strip_prefix("0x") {
        Some(digits) => format!("0x{}", digits.trim_start_matches('0')),
        None => word.to_owned(),
    });
    let joined = words.collect::<Vec<_>>().join(" ");
    joined
        .replace(" packets 0 bytes 0", "")
        .replace(" burst 5 packets", "")
}

#[test]
fn nft_corpus() {
    let mut sum = Found::default();
    let mut scripts = 0;
    for path in corpus("nft") {
        let args = [path.to_str().unwrap().to_owned()];
        let files: Vec<Candidate> = safe_apply::candidate::load(&args, &mut &b""[..]).unwrap();
        let there = NetNs::scratch().unwrap();
        let loaded = there.enter(|| load_here(&files, Resolved::Nft, false, &path));
        if loaded.unwrap().is_err() {
            continue;
        }
        scripts += 1;
        let sources = Sources::parse(&files, Resolved::Nft, false);
        let all = there.enter(|| chains(&[Kind::Nft], Resolved::Nft)).unwrap();
        for ((part, chain), rules) in &all {
            for at in 1..=rules.len() {
                sum.rules += 1;
                let spot = spot(part, chain, Some(at));
                let Some(place) = sources.locate(&spot, rules.len(), 0) else {
                    continue;
                };
                sum.located += 1;
                // The corpus is what nft itself printed: it prints the same again.
                let nothing = Sources::default();
                let told = there.enter(|| decision(&spot, &nothing, rules.len(), 0));
                let told = told.unwrap().text;
                let (one, two) = (plain(&place.text), plain(&told));
                assert_eq!(one, two, "{}: {place:?}", path.display());
            }
        }
    }
    println!("{scripts} scripts: {sum:?}");
    assert!(scripts == 0 || sum.located > 0);
    assert_eq!(sum.located, sum.rules);
}
