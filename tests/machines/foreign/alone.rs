//! The binary, copied alone.

use super::{Foreign, built};
use crate::lab::SHARE;
use crate::rules::{bad, come_back, good, rules, server};

#[test]
fn it_runs_where_there_is_no_library_and_no_tool() {
    for kind in ["alpine", "rhel"] {
        let foreign = Foreign::with_binary(kind);
        foreign.run("ls /lib64 /lib/*-linux-gnu").exits(1);
        foreign
            .run("safe-apply --help")
            .exits(0)
            .says("Exit status");
        foreign
            .run("safe-apply status")
            .exits(0)
            .says("No change is pending");
        foreign.run("safe-apply status --notice").exits(0);
        let check = foreign.run("safe-apply check --live --json").exits(0);
        assert!(check.out.contains("\"event\":\"rehearsed\""), "{check:?}");
        // The names of users are found without the C library's modules.
        foreign
            .run("safe-apply --no-rehearsal run -- true || safe-apply run -- true")
            .exits(0);
        foreign
            .run("safe-apply history")
            .exits(0)
            .says("[root from");
        foreign.file("x.nft", "table inet x { }\n");
        let missing = foreign.run("safe-apply /root/x.nft").exits(1);
        missing.says("nft is not installed").says("untouched");
    }
}

#[test]
fn what_nobody_confirms_is_rolled_back_without_systemd() {
    for kind in ["alpine", "rhel"] {
        let foreign = Foreign::with_binary(kind).with_rules();
        let before = foreign.rules();
        let client = foreign.live("--force --timeout 1 /root/good.v4");
        client.ends().with(3, "rolled_back");
        foreign.comes_back(&before);

        let client = foreign.live("--force --timeout 8 /root/good.v4");
        let guardian = foreign.pending()["guardian_pid"].as_i64().unwrap();
        foreign.run(&format!("kill -9 {guardian}")).exits(0);
        client.ends().with(3, "rolled_back");
        foreign.comes_back(&before);

        let client = foreign.live("--force --timeout 60 /root/good.v4");
        foreign.run("safe-apply rollback").exits(0);
        client.ends().with(4, "rolled_back");
        assert_eq!(foreign.rules(), before);
    }
}

#[test]
fn what_is_confirmed_is_persisted_where_the_distribution_loads_it() {
    for (kind, file, loader) in [
        (
            "alpine",
            "etc/iptables/rules-save",
            "rc-update add iptables",
        ),
        (
            "rhel",
            "etc/sysconfig/iptables",
            "dnf install iptables-services",
        ),
    ] {
        let foreign = Foreign::with_binary(kind).with_rules();
        let client = foreign.live("--persist --force --timeout 60 /root/good.v4");
        // No login over the network here, so no new connection.
        foreign.run("safe-apply confirm").exits(5);
        foreign.run("safe-apply confirm --force").exits(0);
        let ended = client.ends().with(0, "committed");
        assert!(foreign.read(file).contains("GOOD"), "{kind}");
        let said = format!("{:?}", ended.all("warning"));
        assert!(said.contains(loader), "{kind}: {said}");
        assert!(foreign.rules().contains("GOOD"));
    }
}

#[test]
fn the_confirming_group_is_found_in_the_file() {
    let foreign = Foreign::with_binary("rhel").with_rules();
    foreign
        .run("echo 'group = \"fwadmin\"' >/etc/safe-apply.toml")
        .exits(0);
    let client = foreign.live("--force --timeout 60 /root/good.v4");
    let told = foreign
        .run("su bob -c 'safe-apply status --notice'")
        .exits(0);
    told.says("NOT confirmed").says("\n    safe-apply confirm");
    foreign
        .run("su bob -c 'safe-apply confirm --force'")
        .exits(0);
    let ended = client.ends().with(0, "committed");
    assert_eq!(ended.all("confirmed")[0]["by"], "bob", "{ended:#?}");

    foreign
        .run("echo 'group = \"nobody-has-it\"' >/etc/safe-apply.toml")
        .exits(0);
    foreign.file(
        "more.v4",
        "*filter\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n",
    );
    let client = foreign.live("--noflush --force --timeout 60 /root/more.v4");
    let refused = foreign.run("su bob -c 'safe-apply confirm --force'");
    assert_ne!(refused.code, 0, "{refused:?}");
    foreign.run("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
}

#[test]
fn under_systemd_it_makes_its_own_unit() {
    let machine = server().without_product().boot();
    let before = rules(&machine);
    let copy = machine.share().join("safe-apply");
    std::fs::copy(built("SAFE_APPLY_STATIC"), copy).unwrap();
    machine
        .exec(&format!(
            "install {SHARE}/safe-apply /usr/local/bin/safe-apply"
        ))
        .exits(0);
    let bad = bad(&machine);
    let apply = format!("safe-apply --json --force --timeout 10 {bad}");
    let mut client = machine.login("root").start(&apply);
    client.wait("live");
    let unit = machine.guardian_unit();
    assert!(unit.starts_with("safe-apply-guardian-2"), "{unit}");
    machine
        .exec(&format!("systemctl kill -s KILL {unit}"))
        .exits(0);
    come_back(&machine, &before);
    client.ends().with(3, "rolled_back");
    let good = good(&machine);
    let apply = format!("sudo safe-apply --json --timeout 60 {good}");
    let mut client = machine.login("alice").start(&apply);
    client.wait("live");
    machine
        .login("alice")
        .run("sudo safe-apply confirm")
        .exits(0);
    client.ends().with(0, "committed");
}
