//! Rules are tried out before anything is touched.

use serde_json::Value;

use crate::lab::{Backend, CLIENT, Lab, assert_same, eventually, on_both_backends};
use crate::rules::GOOD_V4;

on_both_backends!(
    a_lockout_is_refused_and_nothing_is_touched,
    force_goes_on_after_a_bad_verdict,
    good_rules_pass,
    what_is_required_and_blocked_is_refused,
    a_killed_check_leaves_nothing,
    sets_that_packets_fill_do_not_stand_in_the_way_back,
);

fn report(out: &str) -> Value {
    let line = out.lines().next().unwrap_or_default();
    let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {out}"));
    assert_eq!(event["event"], "rehearsed", "{event}");
    event["report"].clone()
}

fn a_lockout_is_refused_and_nothing_is_touched(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    lab.watch_commits();
    let ended = lab.apply(&format!("--timeout 60 {}", lab.bad_v4())).ends();
    assert_eq!(ended.code, 5, "{ended:#?}");
    let names: Vec<&str> = ended
        .events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert!(names.contains(&"rehearsed"), "{names:?}");
    assert!(
        !names.contains(&"live") && !names.contains(&"applying"),
        "{names:?}"
    );
    let last = ended.events.last().unwrap();
    assert_eq!(last["event"], "failed", "{last}");
    assert_eq!(last["reason"], "rehearsal", "{last}");
    let why = last["error"].as_str().unwrap();
    assert!(
        why.contains("policy of chain INPUT") && why.contains("bad.v4:2"),
        "{why}"
    );
    assert_same(&lab.rules(), &before);
    assert!(lab.pending().is_null());
    assert!(lab.can_login());

    let checked = lab.ssh(&format!("safe-apply check --json {}", lab.bad_v4()));
    assert_eq!(checked.code, 5, "{checked:?}");
    let report = report(&checked.out);
    assert_eq!(report["verdict"], "lockout", "{report}");
    assert_eq!(report["session"]["login"]["state"], "blocked", "{report}");
    assert_eq!(report["session"]["old"]["state"], "open", "{report}");
    assert_eq!(report["way_back"], true, "{report}");
    assert_same(&lab.rules(), &before);
    lab.no_commit_was_seen();
}

fn force_goes_on_after_a_bad_verdict(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let mut client = lab.apply(&format!("--force --timeout 1 {}", lab.bad_v4()));
    let event = client.wait("rehearsed");
    assert_eq!(event["report"]["verdict"], "lockout", "{event}");
    client.wait("live");
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);

    let mut client = lab.apply(&format!("--no-rehearsal --timeout 1 {}", lab.bad_v4()));
    client.wait("live");
    assert!(!client.has_seen("rehearsed"));
    client.ends().with(3, "rolled_back");
    assert_same(&lab.rules(), &before);
}

fn good_rules_pass(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let checked = lab.ssh(&format!("safe-apply check --json {}", lab.good_v4()));
    assert_eq!(checked.code, 0, "{checked:?}");
    let found = report(&checked.out);
    assert_eq!(found["verdict"], "safe", "{found}");
    let row = |port: u64| {
        let rows = found["rows"].as_array().unwrap();
        rows.iter()
            .find(|row| row["port"] == port && row["peer"] == "you")
            .unwrap_or_else(|| panic!("no row for {port}: {found}"))
            .clone()
    };
    for port in [22, 2222] {
        assert_eq!(row(port)["peer_address"], CLIENT);
        assert_eq!(row(port)["what"], "sshd");
        assert_eq!(row(port)["before"]["state"], "open");
        assert_eq!(row(port)["after"]["state"], "open");
    }
    let live = lab.ssh("safe-apply check --live --json");
    assert_eq!(live.code, 0, "{live:?}");
    assert_eq!(report(&live.out)["verdict"], "safe");
    assert_same(&lab.rules(), &before);
}

fn what_is_required_and_blocked_is_refused(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let file = lab.good_v4();
    let require = format!("--require tcp/443@{CLIENT}");
    let ended = lab.apply(&format!("{require} --timeout 60 {file}")).ends();
    assert_eq!(ended.code, 5, "{ended:#?}");
    let open = GOOD_V4.replace("22,2222", "22,2222,443");
    let open = lab.file("open.v4", open);
    lab.ssh(&format!("safe-apply check {require} {open}"))
        .exits(0);
    let settings = format!("require = [\"tcp/443@{CLIENT}\"]\n");
    lab.server(&format!("printf '{settings}' >/etc/safe-apply.toml"))
        .exits(0);
    lab.ssh(&format!("safe-apply check {file}"))
        .exits(5)
        .says("tcp/443");
    lab.ssh(&format!("safe-apply check {open}")).exits(0);
    assert_same(&lab.rules(), &before);
}

/// The network namespaces that processes of the server are in.
const NAMESPACES: &str = "for one in /proc/[0-9]*/ns/net; do readlink $one; done | sort -u | wc -l";

fn a_killed_check_leaves_nothing(backend: Backend) {
    let lab = Lab::with_rules(backend);
    let before = lab.rules();
    let links = lab.server("ip -o link | wc -l").out;
    for milliseconds in [5, 20, 50, 90, 150, 250] {
        let check = format!(
            "timeout -s KILL 0.{milliseconds:03} safe-apply check --as {CLIENT} {}; true",
            lab.bad_v4()
        );
        lab.server(&check).exits(0);
    }
    eventually("no namespace is left", || {
        lab.server(NAMESPACES).out.trim() == "1"
    });
    eventually("no process is left", || {
        lab.server("! pgrep 'safe-apply|tables|ipset' >/dev/null")
            .code
            == 0
    });
    assert_eq!(lab.server("ip -o link | wc -l").out, links);
    let left = "ls /run/safe-apply /tmp | grep -c -e '^check-' -e '^\\.tmp'";
    // Nobody holds the host's lock, and nothing stands in the way of the next one.
    lab.server("flock -n /run/xtables.lock true").exits(0);
    lab.server(&format!("safe-apply check --as {CLIENT} {}", lab.good_v4()))
        .exits(0);
    // What the killed ones could not remove is gone.
    assert_eq!(lab.server(left).out.trim(), "0");
    assert_same(&lab.rules(), &before);
}

fn sets_that_packets_fill_do_not_stand_in_the_way_back(backend: Backend) {
    let lab = Lab::with_rules(backend);
    lab.server("ipset create seen hash:ip").exits(0);
    let adds = "-A INPUT -p tcp --dport 22 -j SET --add-set seen src\n";
    let rules = GOOD_V4.replacen("-A INPUT", &format!("{adds}-A INPUT"), 1);
    let file = lab.file("seen.v4", rules);
    let checked = lab.ssh(&format!("safe-apply check --json {file}"));
    assert_eq!(checked.code, 0, "{checked:?}");
    assert_eq!(report(&checked.out)["way_back"], true);
}

#[test]
fn an_nft_script_may_name_interfaces_by_index() {
    let lab = Lab::with_rules(Backend::Nft);
    let script = |device: &str| {
        format!(
            "flush ruleset\ntable inet f {{\nchain i {{\ntype filter hook input priority 0\n\
             policy drop\niif {device} tcp dport {{ 22, 2222 }} accept\n}}\n}}\n"
        )
    };
    let good = lab.file("good.nft", script("lan0"));
    lab.ssh(&format!("safe-apply check {good}")).exits(0);
    let bad = lab.file("bad.nft", script("lo"));
    lab.ssh(&format!("safe-apply check {bad}")).exits(5);
    let ended = lab.apply(&format!("--timeout 1 {good}")).ends();
    ended.with(3, "rolled_back");
}

#[test]
fn a_session_that_nobody_tracks_may_begin_to_be_translated() {
    let lab = Lab::new(Backend::Nft);
    let script = "table ip n {\nchain i {\ntype nat hook input priority 100\n\
                  meta l4proto tcp snat to 198.51.100.9\n}\n}\n";
    let file = lab.file("nat.nft", script);
    let checked = lab.ssh(&format!("safe-apply check --json {file}"));
    assert_eq!(checked.code, 5, "{checked:?}");
    let report = report(&checked.out);
    assert_eq!(report["session"]["old"]["state"], "rejected", "{report}");
    assert_eq!(report["session"]["login"]["state"], "open", "{report}");
}

#[test]
fn an_address_without_a_way_is_no_reason_to_go_on() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    let file = lab.good_v4();
    // The server has no route beyond its own network.
    let done = lab.server(&format!("safe-apply --as 203.0.113.77 --timeout 60 {file}"));
    done.exits(1).says("no route to 203.0.113.77");
    assert_same(&lab.rules(), &before);
}

#[test]
fn packets_that_may_come_in_elsewhere_are_not_called_open() {
    let lab = Lab::with_rules(Backend::Nft);
    let second = "ip link add second address 02:00:00:00:00:22 type bridge; ip link set second up; \
                  ip address add 192.0.2.2/24 dev second";
    lab.server(second).exits(0);
    let check = format!("safe-apply check --as 203.0.113.77 {}", lab.good_v4());
    let route = "ip route replace 203.0.113.0/24 dev lan0";
    lab.server(route).exits(0);
    lab.server(&check).exits(0).says("SAFE");
    // The address that is dialled is the second interface's now.
    lab.server(&format!("{route} src 192.0.2.2")).exits(0);
    lab.server(&check).exits(1).says("may come in by second");
}

#[test]
fn an_address_may_be_named_where_there_is_no_login() {
    let lab = Lab::with_rules(Backend::Nft);
    let bad = lab.bad_v4();
    let done = lab.server(&format!("safe-apply check {bad}"));
    done.exits(0).says("--as");
    lab.server(&format!("safe-apply check --as {CLIENT} {bad}"))
        .exits(5);
    // Another port, which these rules leave open.
    lab.server(&format!("safe-apply check --as {CLIENT} --port 2022 {bad}"))
        .exits(0);
}

/// Each table by itself: the tools make them anew, and so in another order.
fn tables(lab: &Lab) -> String {
    let each =
        "nft list tables | sort | while read -r table; do nft -s list $table </dev/null; done";
    lab.server(each).exits(0).out
}

#[test]
fn without_the_right_to_make_namespaces_the_plain_net_is_left() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = tables(&lab);
    let drop = "setpriv --bounding-set -sys_admin --inh-caps -sys_admin";
    let mut client = lab.login().start(&format!(
        "{drop} safe-apply --json --timeout 1 {}",
        lab.bad_v4()
    ));
    let warning = client.wait("warning");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.contains("no scratch network namespace"),
        "{message}"
    );
    client.wait("live");
    client.ends().with(3, "rolled_back");
    assert_eq!(tables(&lab), before);
    let check = lab.ssh(&format!("{drop} safe-apply check {}", lab.good_v4()));
    check.exits(1).says("nothing can be rehearsed");
}
