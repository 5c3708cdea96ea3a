//! What a command has loaded at boot is confirmed or undone with its rules.

use crate::lab::{Backend, Lab, assert_same};

/// Lets one more port in, and writes it down for the next boot, as `ufw allow` does.
const COMMAND: &str = "sh -c 'iptables -I INPUT -p tcp --dport 80 -j ACCEPT; \
     echo changed >/etc/iptables/rules.v4; rm /etc/iptables/rules.v6; echo new >/etc/nftables.conf; \
     ln -s /lib/systemd/system/nftables.service /etc/systemd/system/sysinit.target.wants/'";

impl Lab {
    fn with_boot_files() -> Self {
        let lab = Self::with_rules(Backend::Nft);
        lab.server(
            "set -e; mkdir -p /etc/iptables /etc/systemd/system/sysinit.target.wants
             echo before4 >/etc/iptables/rules.v4; echo before6 >/etc/iptables/rules.v6
             chmod 0640 /etc/iptables/rules.v4; chown 12:34 /etc/iptables/rules.v4
             touch -d 2020-01-02 /etc/iptables/rules.v4; rm -f /etc/nftables.conf",
        )
        .exits(0);
        lab
    }

    fn boot_files(&self) -> String {
        let list = "cd /etc; stat -c '%n %a %u %g %Y %N' iptables/* systemd/system/*.wants/*; \
                    cat iptables/*; ls nftables.conf";
        self.server(list).out
    }

    /// Table by table: one that was made again is listed after the others.
    fn tables(&self) -> String {
        let list = "for table in 'ip filter' 'ip6 filter' 'inet native'; do \
                    nft -s list table $table || exit 1; done; ipset save | sort";
        self.server(list).exits(0).out
    }

    fn changed_boot_files(&self) -> String {
        self.server("cat /etc/iptables/rules.v4 /etc/nftables.conf")
            .out
    }
}

#[test]
fn files_come_back_with_the_rules() {
    let lab = Lab::with_boot_files();
    let (before, files) = (lab.rules(), lab.boot_files());
    let mut client = lab.apply_command("--timeout 1", COMMAND);
    let live = client.wait("live");
    let changes = live["changes"].to_string();
    for line in [
        "/etc/iptables/rules.v4: changed",
        "/etc/iptables/rules.v6: removed",
        "/etc/nftables.conf: created",
        "/etc/systemd/system/sysinit.target.wants/nftables.service: created",
    ] {
        assert!(changes.contains(line), "{line}: {changes}");
    }
    assert_eq!(lab.changed_boot_files(), "changed\nnew\n");
    let ended = client.ends().with(3, "rolled_back");
    assert_eq!(ended.outcome()["files"].as_array().unwrap().len(), 4);
    assert_same(&lab.rules(), &before);
    assert_eq!(lab.boot_files(), files);

    let mut client = lab.apply_command("--timeout 60", COMMAND);
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    assert_eq!(lab.changed_boot_files(), "changed\nnew\n");
}

#[test]
fn a_command_that_only_writes_files_has_to_be_confirmed_too() {
    let lab = Lab::with_boot_files();
    let files = lab.boot_files();
    let command = "sh -c 'echo changed >/etc/iptables/rules.v4'";
    let mut client = lab.apply_command("--timeout 60", command);
    client.wait("live");
    lab.server("safe-apply rollback").exits(0);
    let ended = client.ends().with(4, "rolled_back");
    let warnings = format!("{:?}", ended.all("warning"));
    assert!(
        warnings.contains("the live rules are as they were"),
        "{warnings}"
    );
    assert_eq!(lab.boot_files(), files);
}

#[test]
fn a_guardian_that_is_killed_leaves_the_files_to_its_successor() {
    let lab = Lab::with_boot_files();
    let (before, files) = (lab.rules(), lab.boot_files());
    let mut client = lab.apply_command("--timeout 60", COMMAND);
    client.wait("live");
    lab.kill_safe_apply();
    lab.server("safe-apply recover").exits(0);
    assert_same(&lab.rules(), &before);
    assert_eq!(lab.boot_files(), files);
}

#[test]
fn what_others_wrote_meanwhile_is_told_and_kept() {
    let lab = Lab::with_boot_files();
    let mut client = lab.apply_command("--timeout 60", COMMAND);
    client.wait("live");
    lab.server("echo by others >/etc/iptables/rules.v4; echo saved >/etc/iptables/ipsets")
        .exits(0);
    lab.server("safe-apply rollback").exits(0);
    let ended = client.ends().with(4, "rolled_back");
    let drift = &ended.all("drift")[0];
    assert_eq!(drift["changes"][0], "/etc/iptables/rules.v4: changed");
    let saved = drift["saved"].as_str().unwrap();
    let copy = lab
        .server(&format!("cat {saved}/etc/iptables/rules.v4"))
        .out;
    assert_eq!(copy, "by others\n");
    let warnings = format!("{:?}", ended.all("warning"));
    assert!(
        warnings.contains("/etc/iptables/ipsets: created"),
        "{warnings}"
    );
    assert_eq!(lab.server("cat /etc/iptables/rules.v4").out, "before4\n");
    assert_eq!(lab.server("cat /etc/iptables/ipsets").out, "saved\n");
}

#[test]
fn a_reboot_in_the_window_loads_nothing_unconfirmed() {
    for early in [true, false] {
        let lab = Lab::with_boot_files();
        let (before, files) = (lab.tables(), lab.boot_files());
        let command = "sh -c 'iptables -A INPUT -p tcp --dport 81 -j DROP; \
                       iptables-save >/etc/iptables/rules.v4'";
        let mut client = lab.apply_command("--timeout 60", command);
        client.wait("live");
        lab.reboot();
        if early {
            let said = lab.server("safe-apply recover --files").exits(0).out;
            assert!(
                said.contains("/etc/iptables/rules.v4 is as it was"),
                "{said}"
            );
            assert_eq!(lab.boot_files(), files);
            lab.load_before();
        } else {
            // Something loads the file before anybody can take it back.
            lab.load_before();
            lab.server("iptables-restore /etc/iptables/rules.v4")
                .exits(0);
            assert!(lab.rules().contains("dport 81"));
        }
        lab.server("safe-apply recover").exits(0);
        assert!(lab.pending().is_null());
        assert_eq!(lab.newest()["reason"], "rebooted");
        assert_eq!(lab.tables(), before);
        assert_eq!(lab.boot_files(), files);
        let again = lab.server("safe-apply recover --files").exits(0).out;
        assert_eq!(again, "");
    }
}

#[test]
fn a_command_that_loads_what_lies_there_does_not_outlive_the_reboot() {
    let lab = Lab::with_rules(Backend::Nft);
    let before = lab.rules();
    lab.bad_v4();
    lab.server("mkdir /etc/iptables; cp /run/lab/bad.v4 /etc/iptables/rules.v4")
        .exits(0);
    let load = "iptables-restore /etc/iptables/rules.v4";
    let mut client = lab.apply_command("--timeout 60", load);
    client.wait("live");
    lab.server("safe-apply rollback").exits(0);
    client.ends().with(4, "rolled_back");
    lab.reboot();
    lab.load("/etc/iptables/rules.v4");
    lab.server("safe-apply recover").exits(0);
    assert_same(&lab.rules(), &before);

    // Whoever changes the file afterwards has decided.
    lab.reboot();
    lab.server("echo '# mine' >>/etc/iptables/rules.v4")
        .exits(0);
    lab.load("/etc/iptables/rules.v4");
    lab.server("safe-apply recover").exits(0);
    assert!(lab.rules().contains("MISTAKE"));
}

#[test]
fn unconfirmed_rules_that_others_saved_do_not_outlive_a_reboot() {
    for rolled_back in [false, true] {
        let lab = Lab::with_boot_files();
        let before = lab.tables();
        let bad = lab.bad_v4();
        let mut client = lab.apply(&format!("--force --timeout 60 {bad}"));
        client.wait("live");
        // As services do when they are stopped (SAVE_ON_STOP).
        lab.server("iptables-save >/etc/iptables/rules.v4").exits(0);
        if rolled_back {
            lab.server("safe-apply rollback").exits(0);
            let ended = client.ends().with(4, "rolled_back");
            let said = format!("{:?}", ended.all("warning"));
            assert!(
                said.contains("others changed what is loaded at boot"),
                "{said}"
            );
        }
        lab.reboot();
        lab.load_before();
        lab.server("iptables-restore /etc/iptables/rules.v4")
            .exits(0);
        assert!(lab.rules().contains("MISTAKE"));
        lab.server("safe-apply recover").exits(0);
        assert_eq!(lab.tables(), before);
        let file = lab.server("cat /etc/iptables/rules.v4").out;
        // What was told at the rollback is the user's to decide; what a reboot brings is not.
        assert_eq!(file.contains("MISTAKE"), rolled_back, "{file}");
        if !rolled_back {
            assert_eq!(file, "before4\n");
        }
    }
}

#[test]
fn a_damaged_copy_of_the_files_is_never_a_rollback_that_succeeded() {
    let lab = Lab::with_boot_files();
    let before = lab.tables();
    let mut client = lab.apply_command("--timeout 60", COMMAND);
    client.wait("live");
    lab.kill_safe_apply();
    lab.server("cd /var/lib/safe-apply/transactions/*/ && printf x | dd of=boot-state bs=1 seek=60 conv=notrunc")
        .exits(0);
    lab.server("safe-apply recover")
        .exits(7)
        .says("boot-state is damaged");
    assert_eq!(lab.newest()["outcome"], "restore_failed");
    assert_eq!(lab.tables(), before, "the rules are back all the same");
}

#[test]
fn an_incomplete_rollback_is_not_tried_again_over_a_later_change() {
    let lab = Lab::with_boot_files();
    let mut client = lab.apply_command("--timeout 60", COMMAND);
    client.wait("live");
    lab.kill_safe_apply();
    lab.server(
        "cd /var/lib/safe-apply/transactions/*/ && cp boot-state /root/ &&
         printf x | dd of=boot-state bs=1 seek=60 conv=notrunc",
    )
    .exits(0);
    lab.server("safe-apply recover").exits(7);
    lab.server("cp /root/boot-state /var/lib/safe-apply/transactions/*/")
        .exits(0);

    let later = "sh -c 'iptables -I INPUT -p tcp --dport 443 -j ACCEPT; \
         iptables-save >/etc/iptables/rules.v4'";
    let mut client = lab.apply_command("--force --timeout 60", later);
    client.wait("live");
    lab.ssh("safe-apply confirm").exits(0);
    client.ends().with(0, "committed");
    let (confirmed, files) = (lab.tables(), lab.boot_files());
    lab.server("safe-apply recover").exits(0);
    assert_eq!(lab.tables(), confirmed);
    assert_eq!(lab.boot_files(), files);

    lab.reboot();
    lab.server("safe-apply recover --files").exits(0);
    assert_eq!(lab.boot_files(), files);
    lab.load("/etc/iptables/rules.v4");
    lab.server("safe-apply recover").exits(0);
    assert_eq!(lab.boot_files(), files);
    assert!(lab.rules().contains("--dport 443"));
}
