//! The command line, over the real binary: help texts and usage errors.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::time::Duration;

use assert_cmd::Command;
use clap::Parser;
use proptest::prelude::*;
use safe_apply::cli::{Cli, TIMEOUT_MAX, TIMEOUT_MIN, Verb, timeout};

const VERBS: [&str; 10] = [
    "check", "run", "confirm", "rollback", "extend", "status", "history", "show", "recover", "demo",
];

/// Exit status, standard output, standard error. The state directories lead nowhere, so that no
/// mistake of a test reaches the machine's own transactions.
fn safe_apply(args: &[&str]) -> (Option<i32>, String, String) {
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::cargo_bin("safe-apply")
        .unwrap()
        .args(args)
        .env("SAFE_APPLY_STATE_DIR", nowhere.path().join("state"))
        .env("SAFE_APPLY_RUN_DIR", nowhere.path().join("run"))
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[track_caller]
fn is_usage_error(args: &[&str], says: &str) {
    let (code, stdout, stderr) = safe_apply(args);
    assert_eq!(code, Some(2), "{args:?}: {stderr}");
    assert!(stderr.contains(says), "{args:?}: {stderr}");
    assert_eq!(
        stdout, "",
        "{args:?}: errors do not belong on standard output"
    );
}

#[test]
fn long_help_has_every_exit_status() {
    let (code, help, _) = safe_apply(&["--help"]);
    assert_eq!(code, Some(0));
    let table = help.split("Exit status:").nth(1).unwrap();
    let listed: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split_once("  "))
        .map(|(code, _)| code)
        .filter(|code| code.len() == 1)
        .collect();
    assert_eq!(listed, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert!(help.contains("./status"), "a file named like a verb");
}

#[test]
fn every_verb_has_an_example_that_parses() {
    for verb in VERBS {
        let (code, help, _) = safe_apply(&[verb, "--help"]);
        assert_eq!(code, Some(0), "{verb}");
        let examples = help.split("Examples:").nth(1).unwrap_or_default();
        assert!(
            examples.contains(&format!("safe-apply {verb}")),
            "{verb} has no example: {help}"
        );
    }
}

#[test]
fn inner_verbs_do_not_show() {
    let (_, long, _) = safe_apply(&["--help"]);
    let (_, short, _) = safe_apply(&["-h"]);
    for help in [long, short] {
        assert!(!help.contains("__"), "{help}");
        for verb in VERBS {
            assert!(help.contains(&format!("\n  {verb} ")), "{verb} is missing");
        }
    }
}

#[test]
fn nothing_to_do_is_a_usage_error() {
    is_usage_error(&[], "Usage: safe-apply");
    is_usage_error(&["--force"], "RULES");
    is_usage_error(&["run"], "COMMAND");
    is_usage_error(&["run", "iptables", "-F"], "--");
    is_usage_error(&["show"], "ID");
    is_usage_error(&["extend"], "DURATION");
}

#[test]
fn unknown_flags_are_usage_errors() {
    is_usage_error(&["--no-such-flag", "rules.v4"], "--no-such-flag");
    is_usage_error(&["confirm", "--json"], "--json");
    is_usage_error(&["rules.v4", "--backend", "ebtables"], "legacy");
}

#[test]
fn bad_timeouts_are_usage_errors() {
    for bad in ["0", "0s", "999ms", "25h", "86401", "tomorrow", "", "1x"] {
        is_usage_error(&["rules.v4", "--timeout", bad], "expected a time");
        is_usage_error(&["extend", bad], "expected a time");
    }
    is_usage_error(&["rules.v4", "-t", "-5"], "-5");
}

#[test]
fn a_verb_after_options_is_pointed_out() {
    is_usage_error(&["--json", "status"], "./status");
    is_usage_error(&["rules.v4", "confirm"], "./confirm");
}

#[test]
fn check_takes_rules_or_the_live_ones() {
    is_usage_error(&["check"], "RULES");
    is_usage_error(&["check", "--live", "rules.v4"], "--live");
    is_usage_error(&["check", "--live", "--noflush"], "--live");
    is_usage_error(&["check", "status"], "./status");
    is_usage_error(&["--json", "check"], "./check");
    let live = Cli::try_parse_from(["safe-apply", "check", "--live", "--all", "--json"]).unwrap();
    let Some(Verb::Check(live)) = live.verb else {
        panic!("check is a verb");
    };
    assert!(live.live && live.all && live.json && live.rules.is_empty());
    let files = ["safe-apply", "check", "--noflush", "v4:a", "v6:b"];
    let Some(Verb::Check(files)) = Cli::try_parse_from(files).unwrap().verb else {
        panic!("check is a verb");
    };
    assert_eq!(files.rules, ["v4:a", "v6:b"]);
    assert!(files.loading.noflush && !files.live);
}

#[test]
fn what_is_rehearsed_is_said_to_check_and_to_apply() {
    let options = [
        "--as",
        "[2001:db8::7]:51234",
        "--port",
        "2222",
        "--require",
        "tcp/443",
        "--require",
        "udp/53@198.51.100.7",
    ];
    let apply = ["safe-apply", "rules.v4"].iter().chain(&options);
    let check = ["safe-apply", "check", "rules.v4"].iter().chain(&options);
    let apply = Cli::try_parse_from(apply).unwrap();
    assert!(!apply.apply.no_rehearsal);
    let Some(Verb::Check(check)) = Cli::try_parse_from(check).unwrap().verb else {
        panic!("check is a verb");
    };
    for rehearsal in [apply.apply.rehearsal, check.rehearsal] {
        let caller = rehearsal.caller.unwrap();
        assert_eq!(caller.ip.to_string(), "2001:db8::7");
        assert_eq!(caller.port, Some(51234));
        assert_eq!(rehearsal.port, Some(2222));
        let required: Vec<String> = rehearsal.require.iter().map(ToString::to_string).collect();
        assert_eq!(required, ["tcp/443", "udp/53@198.51.100.7"]);
    }
}

#[test]
fn what_cannot_be_rehearsed_is_a_usage_error() {
    for verb in [&["check", "rules.v4"][..], &["rules.v4"]] {
        let with = |option, value| [verb, &[option, value][..]].concat();
        is_usage_error(&with("--as", "home"), "\"home\" is no address");
        is_usage_error(&with("--port", "0"), "--port");
        is_usage_error(&with("--require", "tcp/ssh"), "\"ssh\" is no port");
        is_usage_error(&with("--require", "443"), "tcp/443");
    }
    is_usage_error(
        &["rules.v4", "--no-rehearsal", "--require", "tcp/443"],
        "--no-rehearsal",
    );
    is_usage_error(&["check", "rules.v4", "--no-rehearsal"], "--no-rehearsal");
    is_usage_error(&["run", "--require", "tcp/443", "--", "true"], "--require");
    assert!(Cli::try_parse_from(["safe-apply", "rules.v4", "--no-rehearsal"]).is_ok());
}

#[test]
fn version_is_the_crates() {
    let (code, stdout, _) = safe_apply(&["--version"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        stdout,
        concat!("safe-apply ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn timeouts_of_the_documentation() {
    for (text, seconds) in [
        ("60", 60),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("24h", 86_400),
    ] {
        assert_eq!(timeout(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
}

proptest! {
    #[test]
    fn seconds_are_taken_from_the_shortest_to_the_longest(seconds in 0u64..100_000) {
        let span = Duration::from_secs(seconds);
        let allowed = (TIMEOUT_MIN..=TIMEOUT_MAX).contains(&span);
        prop_assert_eq!(timeout(&seconds.to_string()).ok(), allowed.then_some(span));
        prop_assert_eq!(timeout(&format!("{seconds}s")).ok(), allowed.then_some(span));
    }

    #[test]
    fn units_add_up(hours in 0u64..23, minutes in 0u64..60, seconds in 1u64..60) {
        let span = Duration::from_secs(hours * 3600 + minutes * 60 + seconds);
        prop_assert_eq!(timeout(&format!("{hours}h{minutes}m{seconds}s")), Ok(span));
    }

    #[test]
    fn any_text_gives_an_allowed_time_or_a_sentence(text in ".{0,20}") {
        match timeout(&text) {
            Ok(span) => prop_assert!((TIMEOUT_MIN..=TIMEOUT_MAX).contains(&span)),
            Err(sentence) => prop_assert!(sentence.starts_with("expected a time")),
        }
    }
}
