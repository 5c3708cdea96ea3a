//! Each remedy, pasted where it belongs, lets the user in.

use std::net::SocketAddr;

use safe_apply::candidate::{Kind, Resolved, load};
use safe_apply::checkpoint::Part;
use safe_apply::legacy;
use safe_apply::nftables::TableId;
use safe_apply::rehearsal::decide::Spot;
use safe_apply::rehearsal::report::Remedy;
use safe_apply::rehearsal::source::{Sources, decision, remedy};
use safe_apply::rehearsal::{Flow, Protocol};

use crate::kernel::{chains, load_here, mark};
use crate::lab::{Lab, PORT, SERVER_V4, SERVER_V6, USER_V4, USER_V6};
use crate::paste::paste;

/// Rules that lock the user out, and which of them does.
struct Case<'a> {
    backend: Resolved,
    /// What is there before.
    before: &'a [(&'a str, &'a str)],
    files: &'a [(&'a str, &'a str)],
    noflush: bool,
    part: Part,
    chain: &'a str,
    rule: Option<usize>,
    reply: bool,
    user: &'a str,
    /// Whether it was ARP or neighbour discovery that was stopped.
    neighbour: bool,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            backend: Resolved::Nft,
            before: &[],
            files: &[],
            noflush: false,
            part: nft(1, "t"),
            chain: "input",
            rule: None,
            reply: false,
            user: USER_V4,
            neighbour: false,
        }
    }
}

fn nft(family: u8, name: &str) -> Part {
    let name = name.to_owned();
    Part::Nft(TableId { family, name })
}

fn iptables(backend: Resolved, v6: bool, table: &str) -> Part {
    match (backend, v6) {
        (Resolved::Nft, false) => nft(2, table),
        (Resolved::Nft, true) => nft(10, table),
        (Resolved::Legacy, false) => Part::Legacy(legacy::Family::V4, table.to_owned()),
        (Resolved::Legacy, true) => Part::Legacy(legacy::Family::V6, table.to_owned()),
    }
}

/// Shows that the user is locked out, does what the remedy says, and that the user gets in.
fn cure(case: &Case<'_>) -> Remedy {
    let lab = Lab::new();
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let full = |prefix: &str, (name, text): &(&str, &str)| {
        let path = dir
            .path()
            .join(format!("{prefix}{name}"))
            .display()
            .to_string();
        let text = text.replace("DIR", &dir.path().display().to_string());
        std::fs::write(&path, &text).unwrap();
        (path, text)
    };
    let read = |files: &[(String, String)]| {
        let named = |path: &String| !path.ends_with(".inc");
        let args: Vec<String> = files
            .iter()
            .map(|file| file.0.clone())
            .filter(named)
            .collect();
        load(&args, &mut &b""[..]).unwrap()
    };
    let mut files: Vec<(String, String)> = case.files.iter().map(|file| full("", file)).collect();
    let before: Vec<(String, String)> = case
        .before
        .iter()
        .map(|file| full("before-", file))
        .collect();
    let in_place = |files: &[(String, String)]| {
        let loaded = load_here(&read(files), case.backend, case.noflush, &lock);
        loaded.unwrap_or_else(|error| panic!("{error}: {files:#?}"));
    };
    // Once neighbours know each other they do for a while.
    assert!(case.neighbour || lab.connect(case.user).is_some());
    lab.server
        .enter(|| {
            load_here(&read(&before), case.backend, false, &lock).unwrap();
            in_place(&files);
        })
        .unwrap();
    assert!(lab.is_blocked(case.user), "{:?}", case.files);

    let candidates = read(&files);
    let sources = Sources::parse(&candidates, case.backend, case.noflush);
    let kinds: Vec<Kind> = candidates.iter().map(|one| one.kind).collect();
    let server = if case.user.contains(':') {
        SERVER_V6
    } else {
        SERVER_V4
    };
    let flow = Flow {
        protocol: Protocol::Tcp,
        source: SocketAddr::new(case.user.parse().unwrap(), 40000),
        destination: SocketAddr::new(server.parse().unwrap(), PORT),
    };
    let flow = (!case.neighbour).then_some(&flow);
    let spot = Spot {
        part: case.part.clone(),
        chain: case.chain.to_owned(),
        rule: case.rule,
        reply: case.reply,
    };
    let found = lab.server.enter(|| {
        let here = chains(
            if case.chain == case.chain.to_uppercase() {
                &[Kind::IptablesV4, Kind::IptablesV6]
            } else {
                &[Kind::Nft]
            },
            case.backend,
        );
        let rules = here.get(&(spot.part.clone(), spot.chain.clone()));
        let rules = rules.cloned().unwrap_or_default();
        let kept = rules
            .iter()
            .filter(|rule| mark(rule, 'K').is_some())
            .count();
        // Chains without a name are not listed by themselves.
        let count = if case.chain.starts_with("__chain") {
            2
        } else {
            rules.len()
        };
        let decision = decision(&spot, &sources, count, kept);
        println!("{decision}");
        let remedy = remedy(&decision, flow, false, &sources, &kinds);
        let remedy = remedy.unwrap_or_else(|| panic!("none for {decision}"));
        println!("    {}:", remedy.place);
        for line in &remedy.lines {
            println!("        {line}");
        }
        if !paste(&remedy, &mut files) {
            for (path, text) in &files {
                std::fs::write(path, text).unwrap();
            }
            run_flush(case);
            load_here(&read(&before), case.backend, false, &lock).unwrap();
            in_place(&files);
        }
        remedy
    });
    let remedy = found.unwrap();
    assert!(lab.connect(case.user).is_some(), "{remedy:?}");
    remedy
}

/// What a file adds is not to be there twice.
fn run_flush(case: &Case<'_>) {
    if case.backend == Resolved::Nft {
        crate::kernel::tool(&["nft", "flush", "ruleset"], "").unwrap();
    }
}

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
