//! Every rule of the kernel at its line, or at none.

use safe_apply::candidate::{Kind, Resolved};
use safe_apply::netns::NetNs;
use safe_apply::rehearsal::source::Sources;

use crate::kernel::{Chains, candidates, chains, load_here, mark, marked, spot, tool};
use crate::nasty;

/// How many rules there are, and of how many the line was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub rules: usize,
    pub located: usize,
}

/// Rules with `L` and a number in their comment come from that line, those with `K` were there
/// before.
pub fn check(sources: &Sources, chains: &Chains) -> Found {
    let mut found = Found::default();
    for ((part, chain), rules) in chains {
        let kept = rules.iter().filter(|rule| mark(rule, 'K').is_some());
        let kept = kept.count();
        for (at, rule) in rules.iter().enumerate() {
            let spot = spot(part, chain, Some(at + 1));
            let place = sources.locate(&spot, rules.len(), kept);
            let line = place.as_ref().map(|place| place.line);
            if mark(rule, 'K').is_some() {
                assert_eq!(line, None, "{part} {chain}: {rule}");
                continue;
            }
            found.rules += 1;
            if let Some(line) = line {
                found.located += 1;
                assert_eq!(Some(line), mark(rule, 'L'), "{part} {chain}: {rule}");
            }
        }
    }
    found
}

/// Loads `before` and then `files`, and checks all rules.
pub fn check_files(
    before: &[&str],
    files: &[(&str, &str)],
    backend: Resolved,
    noflush: bool,
) -> Found {
    try_files(before, files, backend, noflush).unwrap()
}

/// The same; what the tool says if it refuses them.
pub fn try_files(
    before: &[&str],
    files: &[(&str, &str)],
    backend: Resolved,
    noflush: bool,
) -> Result<Found, String> {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let files = candidates(dir.path(), files);
    let sources = Sources::parse(&files, backend, noflush);
    let kinds: Vec<Kind> = files.iter().map(|file| file.kind).collect();
    let there = NetNs::scratch().unwrap();
    let all = there.enter(|| {
        for text in before {
            let there = candidates(dir.path(), &[("before", text)]);
            load_here(&there, backend, true, &lock)?;
        }
        load_here(&files, backend, noflush, &lock)?;
        Ok::<Chains, String>(chains(&kinds, backend))
    });
    Ok(check(&sources, &all.unwrap()?))
}

#[test]
fn nasty_iptables_rules() {
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let text = marked(nasty::IPTABLES);
        let found = check_files(&[], &[("rules", &text)], backend, false);
        assert_eq!((found.rules, found.located), (18, 18), "{backend:?}");
    }
}

/// iptables-nft-restore 1.8.9 crashes over the first and refuses the second.
#[test]
fn replaced_rules_and_renamed_chains() {
    let text = marked(
        "*filter
:INPUT ACCEPT
:OLD -
-A INPUT -s 1.2.3.4,5.6.7.8 -m comment --comment @@
-A INPUT -m comment --comment @@
-R INPUT 2 -m comment --comment @@ -j DROP
-A OLD -m comment --comment @@
-E OLD NEW
-A NEW -m comment --comment @@
COMMIT
",
    );
    let found = check_files(&[], &[("rules", &text)], Resolved::Legacy, false);
    assert_eq!((found.rules, found.located), (5, 5));
}

#[test]
fn indexes_of_nft_rules() {
    let before = "table ip t { chain c { accept comment \"K1\"; accept comment \"K2\"; }; }\n";
    let text = marked(
        "add rule ip t c index 0 drop comment \"@@\"
insert rule ip t c index 1 drop comment \"@@\"
add rule ip t c drop comment \"@@\"
add rule ip t c index 4 drop comment \"@@\"
insert rule ip t c drop comment \"@@\"
",
    );
    let found = check_files(&[before], &[("rules.nft", &text)], Resolved::Nft, false);
    assert_eq!((found.rules, found.located), (5, 5));
    let text = marked(
        "add rule ip t c position 2 drop comment \"@@\"
add rule ip t c drop comment \"@@\"
",
    );
    // Where handles lead is for the kernel to know.
    let found = check_files(&[before], &[("rules.nft", &text)], Resolved::Nft, false);
    assert_eq!((found.rules, found.located), (2, 0));
}

#[test]
fn rules_that_stay_are_not_taken_for_new_ones() {
    let before = "*filter\n:INPUT ACCEPT\n:USER -\n-A INPUT -m comment --comment K1\n-A INPUT -m comment --comment K2\n-A USER -m comment --comment K3\n-A OUTPUT -m comment --comment K4\nCOMMIT\n";
    let text = marked(
        "*filter
:USER - [0:0]
-A INPUT -m comment --comment @@
-I INPUT 2 -m comment --comment @@
-I INPUT -s 1.2.3.4,1.2.3.5 -m comment --comment @@
-A USER -m comment --comment @@
COMMIT
",
    );
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let found = check_files(&[before], &[("rules", &text)], backend, true);
        assert_eq!((found.rules, found.located), (5, 5), "{backend:?}");
    }
}

#[test]
fn nasty_nft_scripts() {
    let text = marked(nasty::NFT).replace("two lines,\n L33", "two lines,\nL33");
    let dir = tempfile::tempdir().unwrap();
    let files = candidates(dir.path(), &[("rules.nft", &text)]);
    let sources = Sources::parse(&files, Resolved::Nft, false);
    let there = NetNs::scratch().unwrap();
    let before = "table ip filter { chain output { counter; }; }";
    let all = there.enter(|| {
        tool(&["nft", "-f", "-"], before).unwrap();
        load_here(&files, Resolved::Nft, false, dir.path()).unwrap();
        chains(&[Kind::Nft], Resolved::Nft)
    });
    let mut lines = Vec::new();
    for ((part, chain), rules) in &all.unwrap() {
        for (at, rule) in rules.iter().enumerate() {
            let spot = spot(part, chain, Some(at + 1));
            let place = sources.locate(&spot, rules.len(), 0).unwrap();
            let expected = if rule.contains("two lines") {
                Some(33)
            } else if rule.contains("jump") {
                Some(26)
            } else {
                mark(rule, 'L')
            };
            assert_eq!(Some(place.line), expected, "{part} {chain}: {rule}");
            lines.push(place.line);
        }
        let policy = sources.locate(&spot(part, chain, None), rules.len(), 0);
        if chain == "input" {
            let policy = policy.unwrap();
            assert_eq!((policy.line, policy.text.as_str()), (16, "policy drop"));
        }
    }
    assert_eq!(lines.len(), 19, "{lines:?}");
    let unnamed: Vec<_> = sources
        .rules
        .iter()
        .filter(|rule| rule.line == 27 || rule.line == 28)
        .collect();
    assert_eq!(unnamed.len(), 2, "{unnamed:?}");
    let only = spot(&unnamed[0].part, "__chain77", Some(2));
    assert_eq!(sources.locate(&only, 2, 0).unwrap().line, 28);
}

#[test]
fn included_files_are_followed_as_nft_follows_them() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    write("d/10-b.nft", "tcp dport 2 accept comment \"L1\"\n");
    write(
        "d/9.nft",
        "tcp dport 3 accept comment \"L1\"\n\ninclude \"deep.nft\"\ntcp dport 5 accept comment \"L4\"\n",
    );
    write("d/1.nft~", "accept\n");
    write("deep.nft", "# deep\ntcp dport 4 accept comment \"L2\"\n");
    let inside = dir.path().join("d");
    let text = marked(&format!(
        "table ip t {{
  chain c {{
    tcp dport 1 accept comment \"@@\"
    include \"{}/*.nft\"
    tcp dport 6 accept comment \"@@\"
  }}
}}
include \"nothing/here/*.nft\"
add rule ip t c drop comment \"@@\"
",
        inside.display()
    ));
    let found = check_files(
        &[],
        &[("rules.nft", "flush ruleset\n")],
        Resolved::Nft,
        false,
    );
    assert_eq!(found.rules, 0);
    let files = candidates(dir.path(), &[("rules.nft", &text)]);
    let sources = Sources::parse(&files, Resolved::Nft, false);
    let all = NetNs::scratch().unwrap().enter(|| {
        load_here(&files, Resolved::Nft, false, dir.path()).unwrap();
        chains(&[Kind::Nft], Resolved::Nft)
    });
    let found = check(&sources, &all.unwrap());
    assert_eq!((found.rules, found.located), (7, 7));
    let names: Vec<&str> = sources
        .rules
        .iter()
        .map(|rule| rule.file.rsplit('/').next().unwrap())
        .collect();
    let expected = [
        "rules.nft",
        "10-b.nft",
        "9.nft",
        "deep.nft",
        "9.nft",
        "rules.nft",
        "rules.nft",
    ];
    assert_eq!(names, expected);
}
