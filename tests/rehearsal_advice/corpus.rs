//! Rule files found in the wild: the advice is printed, to be looked at.

use std::path::{Path, PathBuf};

use safe_apply::candidate::{Kind, Resolved};

use super::support::{Change, candidate};

/// The corpus' files, or nothing and a notice.
fn files() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        println!("SAFE_APPLY_CORPUS is not set: nothing to do");
        return Vec::new();
    };
    let mut files: Vec<_> = ["iptables", "nft"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(Path::new(&root).join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// What was found by eye to be true of these files, and is said of no other.
const TRUE: [(&str, &[&str]); 5] = [
    (
        "can never match",
        &[
            "cache_0003_cache_update_0.nft",
            "configs_synology_diskstation_ds414_iptables-save_jun_2015_legacyifacerules",
        ],
    ),
    (
        "over the loopback interface is dropped",
        &["configs_psa_team_a_psa1_iptables-save.2015-11-14"],
    ),
    ("established connections", &[]),
    ("neighbour discovery", &[]),
    ("it lets a port through", &[]),
];

#[test]
fn advice_about_files_found_in_the_wild() {
    let (mut loaded, mut pieces) = (0, 0);
    let files = files();
    for path in &files {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let ways = if name.ends_with(".nft") {
            vec![(Kind::Nft, Resolved::Nft)]
        } else {
            vec![
                (Kind::IptablesV4, Resolved::Nft),
                (Kind::IptablesV4, Resolved::Legacy),
            ]
        };
        let mut told = Vec::new();
        for (kind, backend) in ways {
            let Ok(change) = Change::try_new(&[], &[candidate(kind, &text)], backend, false) else {
                continue;
            };
            loaded += 1;
            let advice = change.advice();
            assert!(advice.len() <= 20, "{name}: {}", advice.len());
            pieces += advice.len();
            let limits = change.limits();
            let lines: Vec<String> = limits
                .list
                .iter()
                .map(|one| {
                    let line = one.line.unwrap_or(0);
                    let mark = if one.is_decisive { "!" } else { "~" };
                    format!("{mark} {line}: {}", one.message)
                })
                .collect();
            let now = (change.told(), lines);
            if told.last() != Some(&now) {
                println!("== {name} {backend:?}\n{}{}\n", now.0, now.1.join("\n"));
            }
            for (phrase, files) in TRUE {
                let said = now.0.contains(phrase);
                assert_eq!(said, files.contains(&&*name), "{name}: {phrase}: {}", now.0);
            }
            told.push(now);
        }
    }
    println!(
        "{pieces} pieces about {loaded} loads of {} files",
        files.len()
    );
    assert!(files.is_empty() || loaded > 80, "{loaded}");
}
