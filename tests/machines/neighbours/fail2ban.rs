//! fail2ban, and programs that keep chains of their own as Docker and kube-proxy do.

use super::{OPEN_V4, said, said_once};
use crate::lab::{Machine, Spec};

const JAIL: &str = "[DEFAULT]\nbackend = polling\nbanaction = BANACTION\n\
    [sshd]\nenabled = true\nlogpath = /var/log/auth.log\n";

/// A machine where fail2ban bans by `banaction`, and has banned one address.
fn machine(banaction: &str) -> Machine {
    let machine = Spec::debian()
        .packages(&["fail2ban"])
        .file(
            "/etc/fail2ban/jail.local",
            JAIL.replace("BANACTION", banaction),
        )
        .file("/var/log/auth.log", "")
        .boot();
    machine.exec("systemctl restart fail2ban").exits(0);
    machine.eventually("fail2ban-client status sshd");
    ban(&machine, "192.0.2.1");
    machine
}

fn ban(machine: &Machine, address: &str) {
    machine
        .exec(&format!("fail2ban-client set sshd banip {address}"))
        .exits(0);
    machine.eventually(&format!("nft list ruleset | grep -q {address}"));
}

#[test]
fn a_ban_in_a_table_that_was_changed_is_reported_and_saved() {
    let machine = machine("iptables-multiport");
    let open = machine.share_file("open.v4", OPEN_V4);
    let mut client = machine.apply(&open);
    client.wait("live");
    ban(&machine, "192.0.2.2");
    let events = machine.roll_back(client);
    let said = said(&events);
    said_once(
        &said,
        &[
            "take away what belongs to fail2ban",
            "what fail2ban changed meanwhile in these tables went with the rollback",
        ],
    );
    let drift = events
        .iter()
        .find(|event| event["event"] == "drift")
        .unwrap();
    assert!(drift["changes"].to_string().contains("f2b-sshd"), "{drift}");
    let saved = drift["saved"].as_str().unwrap();
    machine.exec(&format!("test -s {saved}")).exits(0);
    let rules = machine.exec("iptables-save").exits(0).out;
    assert!(
        rules.contains("192.0.2.1") && !rules.contains("192.0.2.2"),
        "{rules}"
    );
    // What is documented brings it back.
    machine.exec("systemctl restart fail2ban").exits(0);
    machine.eventually("iptables-save | grep -q 192.0.2.2");
    machine.exec("iptables-save | grep 192.0.2.1").exits(0);
}

#[test]
fn a_ban_in_a_table_of_its_own_stays() {
    let machine = machine("nftables-multiport");
    let open = machine.share_file("open.v4", OPEN_V4);
    let mut client = machine.apply(&open);
    client.wait("live");
    ban(&machine, "192.0.2.2");
    let events = machine.roll_back(client);
    assert!(!events.iter().any(|event| event["event"] == "drift"));
    let rules = machine.rules();
    assert!(
        rules.contains("192.0.2.1") && rules.contains("192.0.2.2"),
        "{rules}"
    );
    assert!(!machine.exec("iptables-save").out.contains("OPEN"));
}

#[test]
fn chains_like_dockers_and_kube_proxys_come_back_with_the_rollback() {
    let machine = Spec::debian().boot();
    let chains = "set -e
        iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
        iptables -t nat -A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
        iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER
        iptables -t nat -N KUBE-SERVICES; iptables -t nat -A KUBE-SERVICES -j RETURN
        iptables -t nat -N CNI-HOSTPORT-DNAT; iptables -t nat -A CNI-HOSTPORT-DNAT -j RETURN
        iptables -N LIBVIRT_INP; iptables -A LIBVIRT_INP -j ACCEPT -i virbr0";
    machine.exec(chains).exits(0);
    let rules = machine.rules();
    let all = machine.share_file(
        "all.v4",
        format!("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n{OPEN_V4}"),
    );
    let mut client = machine.apply(&all);
    client.wait("live");
    let events = machine.roll_back(client);
    said_once(
        &said(&events),
        &[
            "belongs to Docker",
            "belongs to Kubernetes",
            "belongs to CNI plugins",
            "belongs to libvirt",
        ],
    );
    assert_eq!(machine.rules(), rules);
}
