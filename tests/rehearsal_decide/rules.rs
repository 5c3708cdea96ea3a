//! Every kind of rule is named by table, chain and number.

use super::lab::{HOST, INPUT, Lab, WORLD, at, dial, spot};
use safe_apply::rehearsal::decide::Spot;

/// Where a connection from the world to port 22 of a host with these rules is stopped.
pub fn stops(script: &str) -> Spot {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.nft(script);
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    lab.stopped(&mut tracer, flow)
}

/// The same, with iptables-nft rules of the filter table.
fn iptables_stops(rules: &str) -> Spot {
    let mut lab = Lab::new();
    lab.listen(&[22]);
    lab.host("iptables-nft-restore", rules);
    let mut tracer = lab.tracer(&[]);
    let (flow, _socket) = dial(&lab.world, WORLD, at(HOST, 22));
    lab.stopped(&mut tracer, flow)
}

#[test]
fn a_native_rule_is_named_by_its_number() {
    let found = stops(&format!(
        "table inet f {{ chain in {{ {INPUT} tcp dport 80 accept; counter; tcp dport 22 drop; drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(3), false));
}

#[test]
fn a_policy_is_no_rule() {
    let found = stops(&format!(
        "table ip f {{ chain in {{ {INPUT} policy drop; tcp dport 80 accept; log; }}; }}"
    ));
    assert_eq!(found, spot("ip f", "in", None, false));
}

#[test]
fn a_rule_that_rejects_is_named() {
    for with in ["", "with tcp reset", "with icmp type admin-prohibited"] {
        let found = stops(&format!(
            "table inet f {{ chain in {{ {INPUT} counter; tcp dport 22 reject {with}; }}; }}"
        ));
        assert_eq!(found, spot("inet f", "in", Some(2), false), "{with}");
    }
}

#[test]
fn a_rule_in_a_chain_that_was_jumped_to_is_named() {
    let found = stops(&format!(
        "table inet f {{ chain ssh {{ accept; }}; chain ports {{ tcp dport 80 accept; ip saddr {WORLD} drop; }}; \
         chain back {{ tcp dport 22 return; drop; }}; \
         chain in {{ {INPUT} jump back; goto ports; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "ports", Some(2), false));
}

#[test]
fn of_an_unnamed_chain_the_rule_that_holds_it_is_named() {
    let found = stops(&format!(
        "table inet f {{ chain in {{ {INPUT} counter; counter; \
         tcp dport 22 jump {{ counter; ip saddr 192.0.2.0/24 drop; }}; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(3), false));
}

#[test]
fn of_a_verdict_map_the_rule_that_looks_it_up_is_named() {
    let found = stops(&format!(
        "table inet f {{ map m {{ type inet_service : verdict; elements = {{ 22 : drop }}; }}; \
         chain in {{ {INPUT} counter; tcp dport vmap @m; drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(2), false));
    let found = stops(&format!(
        "table inet f {{ chain in {{ {INPUT} tcp dport vmap {{ 22 : drop }}; drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(1), false));
}

#[test]
fn raw_prerouting_and_invalid_states_are_named() {
    let found = stops(
        "table inet f { chain raw { type filter hook prerouting priority -300; tcp dport 22 drop; }; }",
    );
    assert_eq!(found, spot("inet f", "raw", Some(1), false));
    let found = stops(&format!(
        "table inet f {{ chain raw {{ type filter hook prerouting priority -300; tcp dport 22 notrack; }}; \
         chain in {{ {INPUT} ct state established,related accept; ct state untracked drop; }}; }}"
    ));
    assert_eq!(found, spot("inet f", "in", Some(2), false));
}

#[test]
fn iptables_nft_rules_are_numbered_as_iptables_does() {
    let found = iptables_stops(
        "*filter\n:INPUT DROP [0:0]\n:SSH - [0:0]\n:LOGS - [0:0]\n-A INPUT -i lo -j ACCEPT\n\
         -A INPUT -p tcp -m tcp --dport 22 -j LOGS\n-A INPUT -p tcp -m multiport --dports 22,80 -j SSH\n\
         -A LOGS -j LOG --log-prefix x\n-A LOGS -j RETURN\n-A LOGS -j DROP\n\
         -A SSH -m limit --limit 1/hour -j LOG\n-A SSH -m comment --comment no -j DROP\nCOMMIT\n",
    );
    assert_eq!(found, spot("ip filter", "SSH", Some(2), false));
}

#[test]
fn a_policy_of_iptables_nft_is_reached_by_return() {
    let found = iptables_stops(
        "*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n-A INPUT -p tcp --dport 22 -j RETURN\n\
         -A INPUT -j ACCEPT\n-A MINE -p tcp --dport 22 -j RETURN\nCOMMIT\n",
    );
    assert_eq!(found, spot("ip filter", "INPUT", None, false));
}

#[test]
fn the_target_reject_is_named() {
    for with in [
        "",
        " --reject-with tcp-reset",
        " --reject-with icmp-admin-prohibited",
    ] {
        let found = iptables_stops(&format!(
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp -j REJECT{with}\nCOMMIT\n"
        ));
        assert_eq!(found, spot("ip filter", "INPUT", Some(2), false), "{with}");
    }
}

#[test]
fn other_tables_of_iptables_nft_are_named() {
    let found = iptables_stops(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j DROP\nCOMMIT\n",
    );
    assert_eq!(found, spot("ip raw", "PREROUTING", Some(1), false));
    let found = iptables_stops("*mangle\n:INPUT DROP [0:0]\n-A INPUT -j TTL --ttl-inc 1\nCOMMIT\n");
    assert_eq!(found, spot("ip mangle", "INPUT", None, false));
}
