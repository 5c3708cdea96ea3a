//! Reading live rules back, in scratch network namespaces, and loading them again.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::collections::BTreeSet;

use safe_apply::candidate::{Kind, Resolved};
use safe_apply::exec::Run;
use safe_apply::netns::NetNs;
use safe_apply::persist::{Error, Source, Texts, native_tables, read_texts};

fn tool(command: &str, stdin: &str) -> String {
    let mut words = command.split(' ');
    let run = Run::tool(words.next().unwrap()).unwrap().args(words);
    String::from_utf8(run.stdin(stdin).success().unwrap()).unwrap()
}

fn read(
    kinds: &[Kind],
    backend: Resolved,
    tables: &[(&str, &str)],
    script: Option<&str>,
) -> Result<Texts, Error> {
    let tables: Vec<(String, String)> = tables
        .iter()
        .map(|(family, name)| ((*family).to_owned(), (*name).to_owned()))
        .collect();
    read_texts(&Source {
        kinds: &kinds.iter().copied().collect::<BTreeSet<_>>(),
        backend: Some(backend),
        tables: &tables,
        script,
    })
}

const NATIVE: &str = "table inet mine {
	set banned {
		type ipv4_addr
		elements = { 192.0.2.1 }
	}

	chain in {
		type filter hook input priority filter; policy accept;
		ip saddr @banned counter packets 5 bytes 300 drop
	}
}
table inet other {
}
";

fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn iptables_rules_come_back_for_both_families_and_backends() {
    for (backend, variant) in [(Resolved::Nft, "nft"), (Resolved::Legacy, "legacy")] {
        let ns = NetNs::scratch().unwrap();
        let lock = tempfile::tempdir().unwrap();
        ns.enter(|| {
            for (family, address) in [
                ("iptables", "192.0.2.1/32"),
                ("ip6tables", "2001:db8::1/128"),
            ] {
                let rules = format!(
                    "*filter\n:INPUT DROP [0:0]\n-A INPUT -s {address} -j ACCEPT\nCOMMIT\n"
                );
                let restore = Run::tool(&format!("{family}-{variant}-restore")).unwrap();
                restore
                    .env("XTABLES_LOCKFILE", lock.path().join("lock"))
                    .stdin(rules)
                    .success()
                    .unwrap();
            }
            let texts = read(&[Kind::IptablesV4, Kind::IptablesV6], backend, &[], None).unwrap();
            let (v4, v6) = (texts.v4.unwrap(), texts.v6.unwrap());
            assert!(
                v4.contains("\n-A INPUT -s 192.0.2.1/32 -j ACCEPT\n") && v4.contains("COMMIT"),
                "{v4}"
            );
            assert!(
                v6.contains("\n-A INPUT -s 2001:db8::1/128 -j ACCEPT\n") && v6.contains("COMMIT"),
                "{v6}"
            );
            assert_eq!((texts.nft, texts.ipset), (None, None));
        })
        .unwrap();
    }
}

#[test]
fn native_tables_come_back_without_touching_those_of_iptables() {
    let ns = NetNs::scratch().unwrap();
    let script = ns
        .enter(|| {
            tool("nft -f -", NATIVE);
            tool(
                "iptables-nft-restore",
                "*filter\n-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT\nCOMMIT\n",
            );
            let native = native_tables().unwrap();
            let expected = [("inet", "mine"), ("inet", "other")];
            assert_eq!(native, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
            read(&[Kind::Nft], Resolved::Nft, &expected, None)
                .unwrap()
                .nft
                .unwrap()
        })
        .unwrap();
    assert!(
        !script.contains("flush ruleset") && !script.contains("packets"),
        "{script}"
    );
    let boot = NetNs::scratch().unwrap();
    boot.enter(|| {
        tool(
            "iptables-nft-restore",
            "*filter\n-A INPUT -s 192.0.2.9 -j ACCEPT\nCOMMIT\n",
        );
        let before = without_comments(&tool("iptables-nft-save", ""));
        for _ in 0..2 {
            tool("nft -f -", &script);
        }
        assert_eq!(without_comments(&tool("iptables-nft-save", "")), before);
        let listed =
            tool("nft -s list table inet mine", "") + &tool("nft -s list table inet other", "");
        assert_eq!(listed, NATIVE.replace(" packets 5 bytes 300", ""));
    })
    .unwrap();
}

#[test]
fn a_self_contained_script_is_kept_as_it_is() {
    let ns = NetNs::scratch().unwrap();
    ns.enter(|| {
        let script = "# mine\nflush ruleset\ntable inet x {\n}\n";
        let texts = read(&[Kind::Nft], Resolved::Nft, &[], Some(script)).unwrap();
        assert_eq!(texts.nft.as_deref(), Some(script));
        tool("nft -f -", NATIVE);
        let texts = read(
            &[Kind::Nft],
            Resolved::Nft,
            &[("inet", "mine")],
            Some("table inet mine {}\n"),
        )
        .unwrap();
        assert!(texts.nft.unwrap().contains("\ndelete table inet mine\n"));
    })
    .unwrap();
}

#[test]
fn a_table_that_nft_cannot_read_back_is_refused() {
    let ns = NetNs::scratch().unwrap();
    ns.enter(|| {
        tool("iptables-nft-restore", "*filter\n-A INPUT -m addrtype --dst-type LOCAL -m limit --limit 1/s -m string --algo bm --string x -j ACCEPT\nCOMMIT\n");
        let outcome = read(&[Kind::Nft], Resolved::Nft, &[("ip", "filter")], None);
        assert!(matches!(outcome, Err(Error::NotReloadable(_))), "{outcome:?}");
    })
    .unwrap();
}

#[test]
fn sets_come_back() {
    let ns = NetNs::scratch().unwrap();
    ns.enter(|| {
        tool(
            "ipset restore",
            "create blocked hash:ip\nadd blocked 192.0.2.1\n",
        );
        let sets = read(&[Kind::Ipset], Resolved::Nft, &[], None)
            .unwrap()
            .ipset
            .unwrap();
        assert!(
            sets.starts_with("create blocked hash:ip ")
                && sets.ends_with("add blocked 192.0.2.1\n"),
            "{sets}"
        );
        tool("ipset restore -exist", &sets);
    })
    .unwrap();
}
