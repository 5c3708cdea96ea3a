//! Who manages the rules, what they undo, and what is said: once, and nothing where nothing is wrong.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod managers_support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use managers_support::{Root, command, files, says, table};
use safe_apply::candidate::Kind;
use safe_apply::checkpoint::Part;
use safe_apply::legacy::Family;
use safe_apply::managers::{Change, Keeper, Manager, is_active, is_enabled, keeper, no_keeper};

#[test]
fn services_are_found_under_every_init() {
    let root = Root::debian();
    assert!(!is_enabled(&root.paths, "nftables") && !is_active(&root.paths, "nftables"));
    root.link("etc/systemd/system/sysinit.target.wants/nftables.service");
    assert!(is_enabled(&root.paths, "nftables"));
    root.run("nftables");
    assert!(is_active(&root.paths, "nftables"));
    // An entry of the unit's own directory of drop-ins wants nothing.
    root.link("etc/systemd/system/x.service.d/ufw.service");
    assert!(!is_enabled(&root.paths, "ufw"));
    symlink("/dev/null", root.at("etc/systemd/system/nftables.service")).unwrap();
    assert!(!is_enabled(&root.paths, "nftables"), "masked");

    let alpine = Root::of("alpine");
    alpine.link("etc/runlevels/default/iptables");
    assert!(is_enabled(&alpine.paths, "iptables") && !is_enabled(&alpine.paths, "nftables"));
    alpine.link("run/openrc/started/iptables");
    assert!(is_active(&alpine.paths, "iptables"));
    assert_eq!(
        alpine.managers().loaded(),
        BTreeSet::from([Kind::IptablesV4])
    );

    let devuan = Root::of("devuan");
    fs::remove_dir(devuan.at("etc/systemd/system")).unwrap();
    devuan.link("etc/rcS.d/S05netfilter-persistent");
    devuan.link("etc/rc2.d/K01nftables");
    assert!(is_enabled(&devuan.paths, "netfilter-persistent"));
    assert!(!is_enabled(&devuan.paths, "nftables"));
}

#[test]
fn nothing_is_said_where_nothing_is_wrong() {
    let filter = [
        table(2, "filter"),
        table(1, "mine"),
        Part::Set("mine".to_owned()),
    ];
    let bare = Root::debian();
    assert!(bare.undone(&files(&filter, &Kind::ALL)).is_empty());
    // Installed, and at rest.
    bare.write("etc/ufw/ufw.conf", "ENABLED=no\n");
    bare.write("etc/nftables.conf", "flush ruleset\n");
    fs::create_dir_all(bare.at("etc/firewalld")).unwrap();
    assert!(bare.undone(&files(&filter, &Kind::ALL)).is_empty());
    assert!(no_keeper(&bare.managers(), &Kind::ALL.into()).is_none());
    // At work, and not concerned.
    let mine = [table(1, "mine")];
    bare.enable_ufw();
    bare.run("firewalld");
    assert!(bare.undone(&files(&mine, &[Kind::Nft])).is_empty());
    // Loaded from there, or written there.
    let root = Root::debian();
    root.persistent();
    assert!(root.undone(&files(&filter[..1], &[])).is_empty());
    let persisted = Change {
        persist: true,
        ..files(&filter[..1], &[Kind::IptablesV4])
    };
    assert!(root.undone(&persisted).is_empty());
    let saved = [PathBuf::from("/etc/iptables/rules.v4")];
    assert!(
        root.undone(&command("./fw.sh", &filter[..1], &saved))
            .is_empty()
    );
    let others = [table(1, "f2b-table"), Part::Set("f2b-sshd".to_owned())];
    assert!(
        root.undone(&command("fail2ban-client", &others, &[]))
            .is_empty()
    );
}

#[test]
fn what_the_next_boot_loads_is_said_once_for_each_service() {
    let root = Root::debian();
    root.persistent();
    let both = [table(2, "filter"), table(10, "filter")];
    let kinds = [Kind::IptablesV4, Kind::IptablesV6];
    let said = root.undone(&files(&both, &kinds));
    says(
        &said,
        &[
            "netfilter-persistent.service loads /etc/iptables/rules.v4, /etc/iptables/rules.v6",
            "--persist",
        ],
    );
    says(&root.undone(&command("./fw.sh", &both, &[])), &["rules.v4"]);
    let restart = "systemctl restart netfilter-persistent";
    assert!(root.undone(&command(restart, &both, &[])).is_empty());
    let red_hat = Root::of("rocky");
    red_hat.enable("iptables");
    let said = red_hat.undone(&files(&both, &kinds));
    says(&said, &["iptables.service loads /etc/sysconfig/iptables,"]);
}

#[test]
fn nftables_service_that_flushes_is_named_for_iptables_rules() {
    let filter = [table(2, "filter")];
    let legacy = [Part::Legacy(Family::V4, "filter".to_owned())];
    let change = files(&filter, &[Kind::IptablesV4]);
    for (script, unit, reason) in [
        (
            "#!/usr/sbin/nft -f\nflush ruleset;\n",
            "",
            "/etc/nftables.conf has",
        ),
        (
            "table inet x {}\n",
            "ExecStop=/usr/sbin/nft flush ruleset\n",
            "stops with",
        ),
    ] {
        let root = Root::debian();
        root.write("etc/nftables.conf", script);
        root.write("lib/systemd/system/nftables.service", unit);
        assert!(root.undone(&change).is_empty(), "it is not enabled");
        root.enable("nftables");
        says(&root.undone(&change), &["nftables.service empties", reason]);
        assert!(root.undone(&files(&legacy, &[Kind::IptablesV4])).is_empty());
        let mine = [table(1, "mine")];
        says(
            &root.undone(&files(&mine, &[Kind::Nft])),
            &["loads /etc/nftables.conf"],
        );
    }
    let root = Root::debian();
    root.write("etc/nftables.conf", "table inet x {}\n");
    root.enable("nftables");
    assert!(root.undone(&change).is_empty(), "it does not flush");
}

#[test]
fn ufw_and_shorewall_put_their_own_rules_back() {
    let root = Root::debian();
    root.enable_ufw();
    for part in [
        table(2, "filter"),
        table(10, "filter"),
        Part::Legacy(Family::V6, "filter".to_owned()),
    ] {
        let touched = [part];
        let said = root.undone(&files(&touched, &[Kind::IptablesV4]));
        says(
            &said,
            &[
                "/etc/ufw/ufw.conf has ENABLED=yes",
                "safe-apply run -- ufw",
                "before.rules",
            ],
        );
        assert!(
            root.undone(&command("ufw allow 22", &touched, &[]))
                .is_empty()
        );
        let rules = [PathBuf::from("/etc/ufw/user.rules")];
        assert!(
            root.undone(&command("./fw.sh", &touched, &rules))
                .is_empty()
        );
        says(&root.undone(&command("./fw.sh", &touched, &[])), &["ufw"]);
    }
    assert!(root.undone(&files(&[table(2, "nat")], &[])).is_empty());
    let shorewall = Root::debian();
    shorewall.enable("shorewall");
    let nat = [table(2, "nat")];
    says(
        &shorewall.undone(&files(&nat, &[Kind::IptablesV4])),
        &[
            "shorewall.service is enabled",
            "/etc/shorewall",
            "safe-apply run -- shorewall reload",
        ],
    );
    assert!(
        shorewall
            .undone(&files(&[table(10, "nat")], &[]))
            .is_empty()
    );
}

#[test]
fn firewalld_undoes_what_is_in_its_table_and_in_iptables() {
    let own = [table(1, "firewalld"), table(2, "filter")];
    let root = Root::debian();
    root.run("firewalld");
    says(
        &root.undone(&files(&own, &[Kind::Nft])),
        &[
            "table inet firewalld belongs to firewalld",
            "firewalld.service is running",
            "firewall-cmd",
        ],
    );
    says(
        &root.undone(&files(&own[1..], &[])),
        &["empties the iptables tables"],
    );
    let line = "safe-apply run -- firewall-cmd --add-port=80/tcp";
    says(
        &root.undone(&command(line, &own, &[])),
        &["runtime configuration only", "--persist"],
    );
    let zone = [PathBuf::from("/etc/firewalld/zones/public.xml")];
    assert!(root.undone(&command(line, &own, &zone)).is_empty());
    let persisted = Change {
        persist: true,
        ..command(line, &own, &[])
    };
    assert!(root.undone(&persisted).is_empty());
}

#[test]
fn rules_are_kept_by_a_loader_before_a_manager() {
    let root = Root::debian();
    root.enable_ufw();
    let v4 = BTreeSet::from([Kind::IptablesV4]);
    let managers = root.managers();
    assert_eq!(
        keeper(&managers, Kind::IptablesV4),
        Keeper::Manager(Manager::Ufw)
    );
    assert_eq!(keeper(&managers, Kind::Nft), Keeper::File);
    let reason = no_keeper(&managers, &v4).unwrap();
    assert!(
        reason.contains("ufw manages") && reason.contains("--persist=FILE"),
        "{reason}"
    );
    root.persistent();
    assert!(no_keeper(&root.managers(), &v4).is_none());

    let firewalld = Root::debian();
    firewalld.enable("firewalld");
    let managers = firewalld.managers();
    for kind in Kind::ALL {
        assert_eq!(keeper(&managers, kind), Keeper::Manager(Manager::Firewalld));
    }
    let reason = no_keeper(&managers, &v4).unwrap();
    assert!(reason.contains("firewalld.service is enabled"), "{reason}");
}
