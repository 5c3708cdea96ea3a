//! Reading candidates from files and standard input.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode};
use safe_apply::candidate::{Candidate, Error, Kind, STDIN_NAME, load};
use safe_apply::exit::Exit;

const RULES: &str = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n";

fn load_with(args: &[&str], mut stdin: &[u8]) -> Result<Vec<Candidate>, Error> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    load(&args, &mut stdin)
}

fn refusal(args: &[&str], stdin: &[u8]) -> String {
    let error = load_with(args, stdin).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage, "{error}");
    error.to_string()
}

fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn several_files_are_sorted_into_loading_order() {
    let dir = tempfile::tempdir().unwrap();
    let six = file(dir.path(), "rules.v6", RULES);
    let four = file(dir.path(), "rules.v4", RULES);
    let nft = file(dir.path(), "x.nft", "table inet x {\n}\n");
    let sets = b"create a hash:ip\n";
    let loaded = load_with(&[&six, &four, &nft, "-"], sets).unwrap();
    let kinds: Vec<Kind> = loaded.iter().map(|one| one.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Ipset, Kind::Nft, Kind::IptablesV4, Kind::IptablesV6]
    );
    assert_eq!(
        (loaded[0].name.as_str(), &loaded[0].path),
        (STDIN_NAME, &None)
    );
    assert_eq!(
        loaded[2].path.as_deref(),
        Some(fs::canonicalize(&four).unwrap().as_path())
    );
    assert_eq!(loaded[2].bytes, RULES.as_bytes());
    assert_ne!(loaded[0].sha256, loaded[1].sha256);
    assert_eq!(loaded[2].sha256, loaded[3].sha256);
}

#[test]
fn prefixes_name_the_family() {
    let dir = tempfile::tempdir().unwrap();
    let rules = file(dir.path(), "rules", RULES);
    let loaded = load_with(&[&format!("v6:{rules}"), "v4:-"], RULES.as_bytes()).unwrap();
    assert_eq!(loaded[0].kind, Kind::IptablesV4);
    assert_eq!(
        (loaded[1].kind, loaded[1].name.as_str()),
        (Kind::IptablesV6, rules.as_str())
    );
}

#[test]
fn unusable_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let cases = [
        (path("missing"), "no such file"),
        (path(""), "is a directory"),
        (file(dir.path(), "empty", ""), "is empty"),
        (file(dir.path(), "blank", "\n # x\n"), "no rules"),
        (file(dir.path(), "binary", b"*filter\0\n"), "binary"),
        (file(dir.path(), "packed.gz", b"\x1f\x8b\x08\x00"), "gzip"),
        (file(dir.path(), "wide", b"\xff\xfe*\0f\0"), "UTF-16"),
        ("/dev/null".to_owned(), "not a regular file"),
    ];
    for (name, why) in &cases {
        let said = refusal(&[name], b"");
        assert!(
            said.starts_with(name.as_str()) && said.contains(why),
            "{said}"
        );
    }
}

#[test]
fn a_fifo_is_refused_without_waiting_for_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let said = refusal(&[fifo.to_str().unwrap()], b"");
    assert!(said.contains("give `-`"), "{said}");
}

#[test]
fn arguments_that_do_not_go_together() {
    let dir = tempfile::tempdir().unwrap();
    let one = file(dir.path(), "one", RULES);
    let two = file(dir.path(), "two", RULES);
    let nft = file(dir.path(), "x.nft", "table inet x {\n}\n");
    let said = refusal(&[&one, &two], b"");
    assert!(
        said.contains(&one) && said.contains(&two) && said.contains("v6:FILE"),
        "{said}"
    );
    assert!(refusal(&["-", "-"], RULES.as_bytes()).contains("only once"));
    std::os::unix::fs::symlink("x.nft", dir.path().join("same.nft")).unwrap();
    let same = dir.path().join("same.nft");
    assert!(refusal(&[&nft, same.to_str().unwrap()], b"").contains("given twice"));
}

#[test]
fn input_without_end_is_refused() {
    let mut stdin = io::repeat(b'#');
    let error = load(&["-".to_owned()], &mut stdin as &mut dyn Read).unwrap_err();
    assert!(error.to_string().contains("larger than 256 MiB"), "{error}");
}

#[test]
fn relative_includes_count_from_where_the_user_was() {
    let mut candidate = load_with(
        &["-"],
        b"\xef\xbb\xbfinclude \"./a.nft\"\r\ninclude \"b.nft\"",
    )
    .unwrap()
    .remove(0);
    candidate.cwd = "/srv/rules".into();
    assert_eq!(
        String::from_utf8(candidate.for_tool()).unwrap(),
        "include \"/srv/rules/a.nft\"\ninclude \"b.nft\"\n"
    );
}
