//! What the tools print, as places in the user's file.

use safe_apply::candidate::{Place, iptables_place, nft_place};

const TEXT: &str =
    "*nat\n-A X -j NOPE\nCOMMIT\n*filter\n-A INPUT -j NOPE\n-A INPUT -j DROP\nCOMMIT\n";

fn said(stderr: &str) -> (Option<usize>, String) {
    let place = iptables_place(stderr, TEXT);
    assert_eq!((place.file, place.source_line), (None, None));
    (place.line, place.message)
}

#[test]
fn iptables_of_both_backends() {
    let cases = [
        (
            "iptables-restore v1.8.9 (legacy): unknown option \"--frob\"\nError occurred at line: 5\nTry `iptables-restore -h' or 'iptables-restore --help' for more information.",
            Some(5),
            "unknown option \"--frob\"",
        ),
        (
            "Bad argument `garbage'\nError occurred at line: 2\nTry `x'",
            Some(2),
            "Bad argument `garbage'",
        ),
        (
            "iptables-nft-restore v1.8.9 (nf_tables): \nline 6: RULE_APPEND failed (Invalid argument): rule in chain INPUT",
            Some(6),
            "RULE_APPEND failed (Invalid argument): rule in chain INPUT",
        ),
        (
            "iptables-restore: line 7 failed",
            Some(7),
            "the kernel refused the table that ends here, and gave no reason",
        ),
        (
            "iptables-restore: line 6 failed",
            Some(6),
            "the tool refused this line, and gave no reason",
        ),
        (
            "iptables-nft-restore: line 2 failed: No chain/target/match by that name.",
            Some(2),
            "No chain/target/match by that name.",
        ),
        (
            "iptables-restore v1.8.9 (legacy): can't initialize: Permission denied",
            None,
            "can't initialize: Permission denied",
        ),
        ("", None, ""),
    ];
    for (stderr, line, message) in cases {
        assert_eq!(said(stderr), (line, message.to_owned()), "{stderr}");
    }
}

#[test]
fn a_missing_chain_is_named_where_it_is_jumped_to_in_its_own_table() {
    let stderr = "iptables-nft-restore v1.8.9 (nf_tables): Chain 'NOPE' does not exist\nError occurred at line: 7";
    assert_eq!(
        said(stderr),
        (Some(5), "Chain 'NOPE' does not exist".to_owned())
    );
    let gone = stderr.replace("NOPE", "OTHER");
    assert_eq!(said(&gone).0, Some(7));
}

#[test]
fn a_warning_does_not_hide_the_error() {
    let stderr = "Warning: Extension string revision 0 not supported, missing kernel module?\niptables-nft-restore v1.8.9 (nf_tables): \nline 5: RULE_APPEND failed (No such file or directory): rule in chain INPUT";
    let (line, message) = said(stderr);
    assert_eq!(line, Some(5));
    assert!(
        message.starts_with("RULE_APPEND failed") && message.ends_with("missing kernel module?)"),
        "{message}"
    );
}

#[test]
fn nft_names_the_script_or_what_it_includes() {
    let place = nft_place(
        "/dev/stdin:4:12-15: Error: Could not resolve service: x\n tcp dport frob accept\n           ^^^^",
    );
    assert_eq!(
        place,
        Place {
            file: None,
            line: Some(4),
            message: "Could not resolve service: x".to_owned(),
            source_line: Some("tcp dport frob accept".to_owned()),
        }
    );
    let place = nft_place(
        "In file included from /dev/stdin:2:1-22:\n/srv/a:b.nft:7:1-4: Error: syntax error\nfrob\n^^^^",
    );
    assert_eq!(
        (place.file.as_deref(), place.line),
        (Some("/srv/a:b.nft"), Some(7))
    );
    let place = nft_place("netlink: Error: cache initialization failed: Operation not permitted");
    assert_eq!((place.file, place.line), (None, None));
    assert!(place.message.contains("Operation not permitted"));
}
