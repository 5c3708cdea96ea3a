//! What the real tools say about bad files, in scratch network namespaces.

#![allow(clippy::panic, clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::path::Path;

use safe_apply::candidate::{
    Candidate, Error, Kind, LoadOptions, Resolved, load, load_into_namespace, reported_backend,
    resolve_backend,
};
use safe_apply::cli::Backend;
use safe_apply::exec::{DEFAULT_DEADLINE, Run};
use safe_apply::exit::Exit;
use safe_apply::netns::NetNs;

const BOTH: [Resolved; 2] = [Resolved::Nft, Resolved::Legacy];

fn candidate(dir: &Path, name: &str, content: &[u8]) -> Candidate {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    let args = [path.to_str().unwrap().to_owned()];
    let mut one = load(&args, &mut &b""[..]).unwrap().remove(0);
    name.clone_into(&mut one.name);
    one
}

/// Loads into a new namespace; returns the outcome and what `save` prints there.
fn try_load(
    candidates: &[Candidate],
    backend: Resolved,
    save: &[&str],
) -> (Result<Vec<String>, Error>, String) {
    let dir = tempfile::tempdir().unwrap();
    let options = LoadOptions {
        backend: Some(backend),
        noflush: false,
        xtables_lock: Some(dir.path().join("lock")),
        deadline: DEFAULT_DEADLINE,
    };
    let ns = NetNs::scratch().unwrap();
    ns.enter(|| {
        let outcome = load_into_namespace(candidates, &options);
        (outcome, listing(save))
    })
    .unwrap()
}

fn listing(command: &[&str]) -> String {
    let listed = Run::tool(command[0])
        .unwrap()
        .args(command[1..].iter().copied())
        .success();
    String::from_utf8(listed.unwrap()).unwrap()
}

const fn save_tool(backend: Resolved) -> &'static str {
    match backend {
        Resolved::Nft => "iptables-nft-save",
        Resolved::Legacy => "iptables-legacy-save",
    }
}

fn refused(error: &Error) -> String {
    assert_eq!(error.exit(), Exit::Failed, "{error}");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn harmless_oddities_load_with_both_backends() {
    let dir = tempfile::tempdir().unwrap();
    let plain = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"h\u{e9} llo\" -j ACCEPT\nCOMMIT\n";
    let variants = [
        plain.to_owned(),
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{plain}"),
        plain.trim_end().to_owned(),
    ];
    for backend in BOTH {
        for text in &variants {
            let one = candidate(dir.path(), "x.v4", text.as_bytes());
            let (outcome, saved) = try_load(&[one], backend, &[save_tool(backend)]);
            outcome.unwrap_or_else(|error| panic!("{backend:?} {text:?}: {error}"));
            assert!(
                saved.contains("--comment \"h\u{e9} llo\" -j ACCEPT\n"),
                "{saved}"
            );
        }
    }
}

#[test]
fn iptables_errors_name_the_users_line() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("-A INPUT --frob", "unknown option \"--frob\""),
        ("-A INPUT -s 300.1.1.1 -j ACCEPT", "300.1.1.1"),
        ("-A INPUT -j NOPE", "NOPE"),
        (
            "-A INPUT -m set --match-set nope src -j ACCEPT",
            "Set nope doesn't exist",
        ),
        ("garbage here", "Bad argument `garbage'"),
        ("-A NOCHAIN -j ACCEPT", ""),
    ];
    for backend in BOTH {
        for (rule, why) in cases {
            let text =
                format!("# c\n\n*filter\n:INPUT ACCEPT [0:0]\n{rule}\n-A INPUT -j DROP\nCOMMIT\n");
            let one = candidate(dir.path(), "rules.v4", text.as_bytes());
            let (outcome, _) = try_load(&[one], backend, &[save_tool(backend)]);
            let said = refused(&outcome.unwrap_err());
            assert!(said.starts_with("rules.v4:5: "), "{backend:?}: {said}");
            assert!(
                said.contains(why) && said.ends_with(&format!("\n    {rule}")),
                "{backend:?}: {said}"
            );
            assert!(
                !said.contains("-restore v") && !said.contains("Try `"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_rule_that_only_the_kernel_refuses_is_named_too() {
    let dir = tempfile::tempdir().unwrap();
    let text = b"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j REDIRECT\nCOMMIT\n";
    let one = candidate(dir.path(), "a", text);
    let (outcome, _) = try_load(
        std::slice::from_ref(&one),
        Resolved::Nft,
        &["iptables-nft-save"],
    );
    let said = refused(&outcome.unwrap_err());
    assert!(said.starts_with("a:3: RULE_APPEND failed"), "{said}");
    let (outcome, _) = try_load(&[one], Resolved::Legacy, &["iptables-legacy-save"]);
    let said = refused(&outcome.unwrap_err());
    assert!(
        said.starts_with("a:4: the kernel refused the table"),
        "{said}"
    );
}

#[test]
fn nft_errors_name_the_users_line() {
    let dir = tempfile::tempdir().unwrap();
    let script = "table inet t {\r\n chain c {\r\n  tcp dport frob accept\r\n }\r\n}\r\n";
    let one = candidate(dir.path(), "x.nft", script.as_bytes());
    let (outcome, listed) = try_load(&[one], Resolved::Nft, &["nft", "list", "ruleset"]);
    let said = refused(&outcome.unwrap_err());
    assert!(
        said.starts_with("x.nft:3: ") && said.ends_with("\n    tcp dport frob accept"),
        "{said}"
    );
    assert_eq!(listed, "");
    let one = candidate(
        dir.path(),
        "y.nft",
        b"table inet t {\n chain c {\n  jump nope\n }\n}\n",
    );
    let (outcome, _) = try_load(&[one], Resolved::Nft, &["nft", "list", "ruleset"]);
    let said = refused(&outcome.unwrap_err());
    assert!(
        said.starts_with("y.nft:3: Could not process rule"),
        "{said}"
    );
}

#[test]
fn includes_beside_the_script_are_found_and_their_errors_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("frag.nft"), "table inet a {}\n").unwrap();
    fs::write(dir.path().join("bad.nft"), "\ntable inet b { frob }\n").unwrap();
    let one = candidate(dir.path(), "x.nft", b"include \"frag.nft\"");
    let (outcome, listed) = try_load(&[one], Resolved::Nft, &["nft", "list", "tables"]);
    assert_eq!(outcome.unwrap(), Vec::<String>::new());
    assert_eq!(listed, "table inet a\n");
    let mut one = candidate(dir.path(), "x.nft", b"include \"./bad.nft\"");
    one.cwd = dir.path().to_owned();
    let (outcome, _) = try_load(&[one], Resolved::Nft, &["nft", "list", "tables"]);
    let said = refused(&outcome.unwrap_err());
    assert!(said.contains("/bad.nft:2: syntax error"), "{said}");
}

#[test]
fn all_kinds_load_together_and_sets_are_left_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let four = candidate(
        dir.path(),
        "rules.v4",
        b"*filter\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n",
    );
    let six = candidate(
        dir.path(),
        "rules.v6",
        b"*filter\n-A INPUT -s 2001:db8::1 -j DROP\nCOMMIT\n",
    );
    let nft = candidate(
        dir.path(),
        "x.nft",
        b"flush ruleset\ntable inet mine {\n}\n",
    );
    let sets = candidate(dir.path(), "sets", b"create a hash:ip\n");
    assert_eq!(sets.kind, Kind::Ipset);
    // The nft script flushes everything, so this order only works if it runs first.
    let (outcome, listed) = try_load(
        &[six, four, nft, sets],
        Resolved::Nft,
        &["nft", "list", "tables"],
    );
    assert_eq!(outcome.unwrap(), Vec::<String>::new());
    for table in [
        "table ip filter\n",
        "table ip6 filter\n",
        "table inet mine\n",
    ] {
        assert!(listed.contains(table), "{listed}");
    }
}

#[test]
fn noflush_adds_and_a_script_that_adds_is_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let one = candidate(
        dir.path(),
        "a",
        b"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n",
    );
    let nft = candidate(dir.path(), "x.nft", b"table inet mine {\n}\n");
    let mut options = LoadOptions {
        backend: Some(Resolved::Nft),
        noflush: true,
        xtables_lock: None,
        deadline: DEFAULT_DEADLINE,
    };
    let ns = NetNs::scratch().unwrap();
    ns.enter(|| {
        let all = [one, nft];
        for _ in 0..2 {
            assert_eq!(
                load_into_namespace(&all, &options).unwrap(),
                Vec::<String>::new()
            );
        }
        assert_eq!(
            listing(&["iptables-nft-save"])
                .matches("-s 192.0.2.1/32")
                .count(),
            2
        );
        options.noflush = false;
        let warnings = load_into_namespace(&all, &options).unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].contains("x.nft"),
            "{warnings:?}"
        );
        assert_eq!(
            listing(&["iptables-nft-save"])
                .matches("-s 192.0.2.1/32")
                .count(),
            1
        );
    })
    .unwrap();
}

#[test]
fn the_backend_is_what_iptables_says() {
    assert_eq!(
        reported_backend("iptables v1.8.9 (nf_tables)\n"),
        Resolved::Nft
    );
    assert_eq!(
        reported_backend("iptables v1.8.9 (legacy)\n"),
        Resolved::Legacy
    );
    assert_eq!(reported_backend("iptables v1.6.1\n"), Resolved::Legacy);
    assert_eq!(resolve_backend(Backend::Nft).unwrap(), Resolved::Nft);
    assert_eq!(resolve_backend(Backend::Legacy).unwrap(), Resolved::Legacy);
    let said = reported_backend(&listing(&["iptables", "-V"]));
    assert_eq!(resolve_backend(Backend::Auto).unwrap(), said);
}
