//! Services that load rule files at boot: netfilter-persistent and nftables.service.

use super::{CLOSED_V4, OPEN_V4, said, said_once};
use crate::lab::{Machine, Spec};

const NFT: &str = "#!/usr/sbin/nft -f\nflush ruleset\n\
    table inet base { chain in { type filter hook input priority 0; policy accept; }; }\n";
const CLOSED_NFT: &str = "#!/usr/sbin/nft -f\nflush ruleset\n\
    table inet closed { chain in { type filter hook input priority 0; policy drop; }; }\n";

fn is_open(machine: &Machine) -> bool {
    machine.exec("iptables-save").exits(0).out.contains("OPEN")
}

#[test]
fn what_netfilter_persistent_loads_at_boot_is_said_and_written() {
    let mut machine = Spec::debian().enable("netfilter-persistent.service").boot();
    let open = machine.share_file("open.v4", OPEN_V4);
    let mut client = machine.apply(&open);
    client.wait("live");
    let events = machine.confirm(client);
    said_once(
        &said(&events),
        &["at boot netfilter-persistent.service loads /etc/iptables/rules.v4, without this change"],
    );
    // Nobody has asked for it to be kept: the next boot knows nothing of it.
    machine.reboot();
    assert!(!is_open(&machine));
    let mut client = machine.apply(&format!("--persist {open}"));
    client.wait("live");
    let events = machine.confirm(client);
    assert!(!said(&events).contains("at boot"), "{}", said(&events));
    machine.reboot();
    assert!(is_open(&machine));

    // Saved by a command, unconfirmed, and the power goes.
    let closed = machine.share_file("closed.v4", CLOSED_V4);
    let load = format!("iptables-restore {closed} && netfilter-persistent save");
    let mut client = machine.run("", &load);
    client.wait("live");
    machine.exec("grep CLOSED /etc/iptables/rules.v4").exits(0);
    drop(client);
    machine.kill();
    machine.start();
    machine.ended_with("rolled_back", "rebooted");
    assert!(is_open(&machine) && machine.can_login());
    machine.exec("grep CLOSED /etc/iptables/rules.v4").exits(1);
}

#[test]
fn nftables_service_wipes_iptables_rules_and_that_is_said() {
    let machine = Spec::debian()
        .file("/etc/nftables.conf", NFT)
        .enable("nftables.service")
        .boot();
    let open = machine.share_file("open.v4", OPEN_V4);
    let mut client = machine.apply(&open);
    client.wait("live");
    let events = machine.confirm(client);
    said_once(
        &said(&events),
        &["nftables.service empties all of nf_tables"],
    );
    assert!(is_open(&machine));
    machine.exec("systemctl restart nftables").exits(0);
    assert!(!is_open(&machine), "it does");
}

#[test]
fn the_boot_file_itself_as_candidate_ends_well_with_a_reload_and_a_boot() {
    let mut machine = Spec::debian()
        .file("/etc/nftables.conf", NFT)
        .enable("nftables.service")
        .boot();
    machine.share_file("closed.nft", CLOSED_NFT);
    machine
        .exec("cp /lab/closed.nft /etc/nftables.conf")
        .exits(0);
    let mut client = machine.apply("--force /etc/nftables.conf");
    client.wait("live");
    let events = machine.roll_back(client);
    said_once(
        &said(&events),
        &["/etc/nftables.conf still holds the rules that were rolled back"],
    );
    machine.reboot();
    assert!(machine.can_login(), "{}", machine.rules());
    assert!(!machine.rules().contains("closed"));

    // As people do it: the file is written, then the service is told.
    let mut client = machine.run("", "systemctl reload nftables");
    client.wait("live");
    assert!(!machine.can_login());
    machine.roll_back(client);
    assert!(machine.can_login());
    machine.reboot();
    assert!(machine.can_login(), "{}", machine.rules());

    let open = machine.share_file("open.nft", NFT.replace("base", "confirmed"));
    let write = format!("cp {open} /etc/nftables.conf && systemctl reload nftables");
    let mut client = machine.run("", &write);
    client.wait("live");
    machine.confirm(client);
    machine.reboot();
    assert!(machine.rules().contains("table inet confirmed"));
}
