//! Each remedy, pasted where it belongs, lets the user in.

use safe_apply::candidate::Resolved;
use safe_apply::checkpoint::Part;

use crate::cure::{Case, cure, iptables, nft};
use crate::lab::{USER_V4, USER_V6};

#[test]
fn iptables_remedies_let_the_user_in() {
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let table = |name: &str| iptables(backend, false, name);
        let cure_v4 = |text: &str, part: Part, chain: &str, rule: Option<usize>, reply: bool| {
            cure(&Case {
                backend,
                files: &[("rules.v4", text)],
                part,
                chain,
                rule,
                reply,
                ..Case::default()
            })
        };
        let early = "*filter\n:INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        let remedy = cure_v4(early, table("filter"), "INPUT", Some(2), false);
        let line = "-A INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 22 -j ACCEPT";
        assert_eq!(remedy.lines, [line]);
        assert!(remedy.place.starts_with("before line 4 of "), "{remedy:?}");
        let policy = "*filter\n:INPUT DROP\n:USER -\n-A INPUT -p tcp --dport 2222 -j ACCEPT\n-A USER\nCOMMIT\n";
        let remedy = cure_v4(policy, table("filter"), "INPUT", None, false);
        assert!(remedy.place.starts_with("before line 6 of "), "{remedy:?}");
        let user =
            "*filter\n:INPUT ACCEPT\n:NO -\n-A INPUT -p tcp -j NO\n-A NO -j REJECT\nCOMMIT\n";
        cure_v4(user, table("filter"), "NO", Some(1), false);
        let list =
            "*filter\n:INPUT ACCEPT\n-A INPUT -s 198.51.100.1,198.51.100.7 -j DROP\nCOMMIT\n";
        cure_v4(list, table("filter"), "INPUT", Some(2), false);
        let inserted =
            "*filter\n:INPUT ACCEPT\n-A INPUT -j ACCEPT\n-I INPUT -p tcp -j DROP\nCOMMIT\n";
        cure_v4(inserted, table("filter"), "INPUT", Some(1), false);
        let raw = "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -j DROP\nCOMMIT\n";
        cure_v4(raw, table("raw"), "PREROUTING", Some(1), false);
        let mangle = "*mangle\n:INPUT DROP\nCOMMIT\n*filter\n:INPUT ACCEPT\nCOMMIT\n";
        cure_v4(mangle, table("mangle"), "INPUT", None, false);
        let output = "*filter\n:OUTPUT DROP\nCOMMIT\n";
        let remedy = cure_v4(output, table("filter"), "OUTPUT", None, true);
        let line = "-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";
        assert_eq!(remedy.lines, [line]);
        let output = "*raw\n:OUTPUT ACCEPT\n-A OUTPUT -p tcp -j DROP\nCOMMIT\n";
        cure_v4(output, table("raw"), "OUTPUT", Some(1), true);
    }
}

#[test]
fn remedies_for_rules_that_are_in_no_file() {
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let v4 = [("rules.v4", "*filter\n:INPUT ACCEPT\nCOMMIT\n")];
        let case = Case {
            backend,
            before: &[(
                "rules.v6",
                "*filter\n:INPUT DROP\n-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT\n",
            )],
            files: &v4,
            part: iptables(backend, true, "filter"),
            chain: "INPUT",
            user: USER_V6,
            ..Case::default()
        };
        let remedy = cure(&case);
        assert!(
            remedy.lines[0]
                .ends_with("-I INPUT 1 -s 2001:db8::7/128 -p tcp -m tcp --dport 22 -j ACCEPT"),
            "{remedy:?}"
        );
        let stays = Case {
            before: &[(
                "rules.v4",
                "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp -m comment --comment K1 -j DROP\nCOMMIT\n",
            )],
            noflush: true,
            part: iptables(backend, false, "filter"),
            rule: Some(1),
            user: USER_V4,
            ..case
        };
        cure(&stays);
    }
    let before = [(
        "before.nft",
        "table inet live { chain input { type filter hook input priority 0; policy drop; }; }\n",
    )];
    let remedy = cure(&Case {
        before: &before,
        files: &[("rules.nft", "table inet t\n")],
        part: nft(1, "live"),
        ..Case::default()
    });
    assert_eq!(
        remedy.lines,
        ["nft insert rule inet live input ip saddr 198.51.100.7 tcp dport 22 accept"]
    );
}

#[test]
fn neighbour_discovery_comes_first() {
    for backend in [Resolved::Nft, Resolved::Legacy] {
        let remedy = cure(&Case {
            backend,
            files: &[(
                "rules.v6",
                "*filter\n:INPUT DROP\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n",
            )],
            part: iptables(backend, true, "filter"),
            chain: "INPUT",
            user: USER_V6,
            neighbour: true,
            ..Case::default()
        });
        assert_eq!(remedy.lines, ["-A INPUT -p ipv6-icmp -j ACCEPT"]);
    }
    cure(&Case {
        files: &[(
            "rules.nft",
            "table inet t {\n chain input {\n  type filter hook input priority 0; policy drop;\n  tcp dport 22 accept\n }\n}\n",
        )],
        user: USER_V6,
        neighbour: true,
        ..Case::default()
    });
    cure(&Case {
        files: &[(
            "rules.nft",
            "add table netdev t\nadd chain netdev t input { type filter hook ingress device v0 priority 0; policy drop; }\nadd rule netdev t input meta protocol ip accept\n",
        )],
        part: nft(5, "t"),
        neighbour: true,
        ..Case::default()
    });
}

#[test]
fn nft_remedies_let_the_user_in() {
    let hook = "type filter hook input priority 0";
    let one = |text: &str, part: Part, chain: &str, rule: Option<usize>, reply: bool| {
        cure(&Case {
            files: &[("rules.nft", text)],
            part,
            chain,
            rule,
            reply,
            ..Case::default()
        })
    };
    let inet = || nft(1, "t");
    // Inside braces.
    let text = format!(
        "table inet t {{\n chain input {{\n  {hook}\n  iif lo accept\n  tcp dport {{ 22,\n   23 }} \\\n   drop\n accept\n }}\n}}\n"
    );
    let remedy = one(&text, inet(), "input", Some(2), false);
    assert_eq!(remedy.lines, ["ip saddr 198.51.100.7 tcp dport 22 accept"]);
    assert!(remedy.place.starts_with("before line 5 of "), "{remedy:?}");
    let text = format!(
        "table ip t {{\n chain input {{\n  {hook}; policy drop;\n  iif lo \\\n  accept # end\n }}\n}}\n"
    );
    let remedy = one(&text, nft(2, "t"), "input", None, false);
    assert!(remedy.place.starts_with("after line 5 of "), "{remedy:?}");
    let text = format!("table ip t {{\n chain input {{\n  {hook}; policy drop;\n }}\n}}\n");
    let remedy = one(&text, nft(2, "t"), "input", None, false);
    assert!(remedy.place.starts_with("after line 3 of "), "{remedy:?}");
    let text = format!(
        "table inet t {{\n chain no {{\n  log\n  reject\n }}\n chain input {{\n  {hook};\n  tcp dport 22 jump no\n }}\n}}\n"
    );
    one(&text, inet(), "no", Some(2), false);
    // All in one line.
    let text =
        format!("table inet t {{ chain input {{ {hook}; policy drop; iif lo accept; }}; }}\n");
    one(&text, inet(), "input", None, false);
    let text = format!("table inet t {{ chain input {{ {hook}; tcp dport 22 drop; }}; }}\n");
    one(&text, inet(), "input", Some(1), false);
    // Commands.
    let flat = format!(
        "add table inet t\nadd chain inet t input {{ {hook}; policy drop; }}\nadd rule inet t input iif lo accept\n"
    );
    one(&flat, inet(), "input", None, false);
    let text = format!("{flat}add rule inet t input reject\n");
    let remedy = one(&text, inet(), "input", Some(2), false);
    assert_eq!(
        remedy.lines,
        ["add rule inet t input ip saddr 198.51.100.7 tcp dport 22 accept"]
    );
    let text = format!("{flat}insert rule inet t input tcp dport 22 drop\n");
    one(&text, inet(), "input", Some(1), false);
    // Answers.
    let text = "table inet t {\n chain output {\n  type filter hook output priority filter; policy drop;\n }\n}\n";
    let remedy = one(text, inet(), "output", None, true);
    assert_eq!(remedy.lines, ["ct state established,related accept"]);
    let text = "table inet t {\n chain output {\n  type filter hook output priority raw; policy drop;\n }\n}\n";
    let remedy = one(text, inet(), "output", None, true);
    assert_eq!(remedy.lines, ["ip daddr 198.51.100.7 tcp sport 22 accept"]);
    // A chain without a name.
    let text = format!(
        "table inet t {{\n chain input {{\n  {hook};\n  tcp dport 22 jump {{\n   ip saddr 10.0.0.0/8 accept\n   drop\n  }}\n }}\n}}\n"
    );
    one(&text, inet(), "__chain0", Some(2), false);
    // Devices.
    let text = "table netdev t {\n chain in {\n  type filter hook ingress device v0 priority 0;\n  meta protocol ip drop\n }\n}\n";
    one(text, nft(5, "t"), "in", Some(1), false);
}

#[test]
fn a_remedy_for_an_included_file() {
    let remedy = cure(&Case {
        files: &[
            (
                "rules.nft",
                "table inet t {\n chain input {\n  type filter hook input priority 0;\n  include \"DIR/more.inc\"\n }\n}\n",
            ),
            ("more.inc", "# more\ntcp dport 22 drop\n"),
        ],
        rule: Some(1),
        ..Case::default()
    });
    assert!(remedy.place.starts_with("before line 2 of "), "{remedy:?}");
    assert!(remedy.place.ends_with("more.inc"), "{remedy:?}");
}
