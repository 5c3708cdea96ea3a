//! What is applied: several files at once, all or none, and clear refusals.

use crate::lab::{Backend, Lab, assert_same, on_both_backends};
use crate::rules::{GOOD_NFT, GOOD_V4, GOOD_V6};

on_both_backends!(
    four_kinds_of_rules_are_one_transaction,
    a_bad_table_after_a_good_one_changes_nothing,
    what_cannot_be_applied_is_refused,
);

/// v4 (which needs the set), v6, nft and ipset, in an order that only sorting makes right.
fn four_files(lab: &Lab) -> String {
    let with_set = GOOD_V4.replace(
        "COMMIT",
        "-A INPUT -m set --match-set fresh src -j DROP\nCOMMIT",
    );
    let set = "create fresh hash:ip family inet\nadd fresh 192.0.2.50\n";
    let files = [
        lab.file("good.v4", with_set),
        lab.file("good.v6", GOOD_V6),
        lab.file("good.nft", GOOD_NFT),
        lab.file("good.ipset", set),
    ];
    files.join(" ")
}

const MARKS: [&str; 4] = ["GOODv4", "GOODv6", "GOODnft", "add fresh 192.0.2.50"];

fn four_kinds_of_rules_are_one_transaction(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let files = four_files(&lab);

    let mut client = lab.apply(&format!("--timeout 60 {files}"));
    client.wait("live");
    let now = lab.rules();
    assert!(MARKS.iter().all(|mark| now.contains(mark)), "{now:?}");
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    assert_same(&lab.rules(), &before);

    let mut client = lab.apply(&format!("--timeout 60 {files}"));
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    let now = lab.rules();
    assert!(MARKS.iter().all(|mark| now.contains(mark)), "{now:?}");
    assert!(
        now.contains("add old 192.0.2.77"),
        "a set that the file does not name stays"
    );
    assert!(lab.can_login());
}

fn a_bad_table_after_a_good_one_changes_nothing(backend: Backend) {
    let lab = Lab::offline(backend);
    lab.load_before();
    let before = lab.saves();
    let bad_nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j NOPE\nCOMMIT\n";
    let file = lab.file("half.v4", format!("{GOOD_V4}{bad_nat}"));
    lab.watch_commits();
    let ended = lab
        .console(&format!("safe-apply --json --force --timeout 60 {file}"))
        .ends();
    assert_eq!(ended.code, 1, "{ended:#?}");
    let said = format!("{:?}{}", ended.events, ended.err);
    assert!(said.contains("half.v4:11"), "file and line: {said}");
    match backend {
        Backend::Nft => assert_same(&lab.saves(), &before),
        Backend::Legacy => assert_same(
            &lab.saves().without_pristine_tables(),
            &before.without_pristine_tables(),
        ),
    }
    assert!(lab.pending().is_null());
    lab.no_commit_was_seen();
}

fn what_cannot_be_applied_is_refused(backend: Backend) {
    let lab = Lab::offline(backend);
    lab.load_before();
    let before = lab.saves();
    let good = lab.file("good", GOOD_V4);
    let v6_address = GOOD_V4.replace("-i lo", "-s 2001:db8::7/128");
    let cases = [
        (lab.file("empty.v4", ""), "empty"),
        (lab.file("blank.v4", "\n# nothing\n\n"), ""),
        ("/etc".to_owned(), "directory"),
        ("/bin/true".to_owned(), ""),
        (lab.file("nul.v4", b"*filter\n\0\xff\nCOMMIT\n"), ""),
        ("/run/lab/missing.v4".to_owned(), "missing.v4"),
        (lab.file("prose.v4", "These are not rules.\n"), ""),
        (
            format!(
                "v6:{}",
                lab.file("four.v4", GOOD_V4.replace("-i lo", "-s 192.0.2.1"))
            ),
            "",
        ),
        (format!("v4:{}", lab.file("six.v6", v6_address)), ""),
        (lab.file("cut.v4", GOOD_V4.replace("COMMIT\n", "")), ""),
        (
            lab.file("bad.nft", "table inet x { chain y { nonsense; } }\n"),
            "bad.nft",
        ),
        (lab.file("bad.ipset", "add nowhere 192.0.2.1\n"), "nowhere"),
        (
            format!(
                "{good} {}",
                lab.file("bad2.nft", "add rule inet none none drop\n")
            ),
            "",
        ),
        ("--timeout 0 /run/lab/good".to_owned(), "24 h"),
        ("--timeout 25h /run/lab/good".to_owned(), "24 h"),
        ("--timeout soon /run/lab/good".to_owned(), "90s"),
        ("--timeout=-5 /run/lab/good".to_owned(), "90s"),
        ("--nonsense /run/lab/good".to_owned(), "nonsense"),
        (String::new(), "Usage"),
    ];
    for (arguments, says) in cases {
        let done = lab.server(&format!("safe-apply --force {arguments}"));
        let usage = arguments.starts_with("--") || arguments.is_empty();
        let expected = if usage { 2..=2 } else { 1..=2 };
        assert!(expected.contains(&done.code), "{arguments}: {done:?}");
        assert!(
            done.all().contains(says),
            "{arguments}: no {says:?} in {done:?}"
        );
        assert!(!done.all().contains("panicked"), "{arguments}: {done:?}");
        let same = lab.saves().without_pristine_tables();
        assert_same(&same, &before.without_pristine_tables());
        assert!(lab.pending().is_null(), "{arguments}");
    }
}

#[test]
fn an_ordinary_user_is_told_to_become_root() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let command = format!("safe-apply {}", lab.good_v4());
    let done = lab.login().user("alice").run(&command);
    assert!([1, 2].contains(&done.code), "{done:?}");
    done.says("root");
    let done = lab.server(&format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups {command}"
    ));
    assert!([1, 2].contains(&done.code), "{done:?}");
    assert_same(&lab.rules(), &before);
}

#[test]
fn a_missing_tool_is_named_with_its_package() {
    let lab = Lab::offline(Backend::Nft);
    let set = lab.file("new.ipset", "create fresh hash:ip family inet\n");
    lab.server("touch /run/lab/none; mount --bind /run/lab/none \"$(command -v ipset)\"")
        .exits(0);
    let done = lab
        .server(&format!("safe-apply --timeout 1 {set}"))
        .exits(1);
    done.says("ipset is not installed").says("Debian package");
}

#[test]
fn odd_but_right_files_are_accepted() {
    let lab = Lab::offline(Backend::Nft);
    let odd = GOOD_V4
        .replace("COMMIT\n", "# Grüße — utf-8\nCOMMIT")
        .replace('\n', "\r\n");
    for (name, text) in [
        ("odd.v4", odd.as_str()),
        ("status", GOOD_V4),
        ("tail.v4", GOOD_V4.trim_end()),
    ] {
        lab.file(name, text);
        let arguments = format!("cd /run/lab; safe-apply --json --force --timeout 60 ./{name}");
        let mut client = lab.console(&arguments);
        client.wait("live");
        assert!(lab.rules().contains("GOODv4"));
        lab.server("safe-apply rollback").exits(0);
        client.ends().with(4, "rolled_back");
        assert!(lab.saves().is_empty());
    }
}

#[test]
fn rules_come_from_standard_input_and_are_added_without_flush() {
    let lab = Lab::with_rules(Backend::Nft);
    let more = lab.file("more", "*filter\n-A INPUT -s 192.0.2.123 -j DROP\nCOMMIT\n");
    let command = format!("safe-apply --json --noflush --timeout 60 v4:- <{more}");
    let mut client = lab.login().start(&command);
    client.wait("live");
    let now = lab.rules();
    assert!(now.contains("192.0.2.123") && now.contains("[7:700] -A INPUT -s 192.0.2.7/32 -j OLD"));
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
}

#[test]
fn later_edits_of_the_file_change_nothing() {
    let lab = Lab::with_rules(Backend::Nft);
    let mut client = lab.apply(&format!("--timeout 60 {}", lab.good_v4()));
    client.wait("live");
    lab.server("rm /run/lab/good.v4; echo nonsense >/run/lab/good.v4")
        .exits(0);
    lab.guards().0.signal(rustix::process::Signal::KILL);
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    assert!(lab.rules().contains("GOODv4"));
}
