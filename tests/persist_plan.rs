//! Where each distribution loads rules at boot, below roots made for the test.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use safe_apply::candidate::Kind;
use safe_apply::paths::Paths;
use safe_apply::persist::{
    Distribution, Error, Texts, boot_files, distribution, is_boot_file, loader_note,
    parse_os_release, plan, self_contained,
};

const KINDS: [Kind; 4] = [Kind::IptablesV4, Kind::IptablesV6, Kind::Nft, Kind::Ipset];

struct Root {
    dir: tempfile::TempDir,
    paths: Paths,
}

impl Root {
    fn new(os_release: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            state: dir.path().join("state"),
            run: dir.path().join("run"),
            config: dir.path().join("config"),
            root: dir.path().to_owned(),
        };
        let root = Self { dir, paths };
        root.file("/etc/os-release", os_release);
        root
    }

    fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.paths.rooted(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn place(&self, kind: Kind) -> Option<String> {
        let path = boot_files(&self.paths).of(kind)?.to_owned();
        let below = path.strip_prefix(self.dir.path()).unwrap();
        Some(format!("/{}", below.display()))
    }
}

fn texts() -> Texts {
    Texts {
        v4: Some("v4\n".to_owned()),
        v6: Some("v6\n".to_owned()),
        nft: Some("nft\n".to_owned()),
        ipset: Some("sets\n".to_owned()),
        notes: vec!["from the texts".to_owned()],
    }
}

#[test]
fn every_distribution_has_its_places() {
    let cases = [
        (
            "ID=debian\n",
            [
                "/etc/iptables/rules.v4",
                "/etc/iptables/rules.v6",
                "/etc/nftables.conf",
                "/etc/iptables/ipsets",
            ],
        ),
        (
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
            [
                "/etc/sysconfig/iptables",
                "/etc/sysconfig/ip6tables",
                "/etc/sysconfig/nftables.conf",
                "/etc/sysconfig/ipset",
            ],
        ),
        (
            "ID=alpine\n",
            [
                "/etc/iptables/rules-save",
                "/etc/iptables/rules6-save",
                "/etc/nftables.nft",
                "",
            ],
        ),
        (
            "ID=arch\n",
            [
                "/etc/iptables/iptables.rules",
                "/etc/iptables/ip6tables.rules",
                "/etc/nftables.conf",
                "/etc/ipset.conf",
            ],
        ),
        ("ID=plan9\n", ["", "", "", ""]),
    ];
    for (os, places) in cases {
        let root = Root::new(os);
        for (kind, place) in KINDS.into_iter().zip(places) {
            assert_eq!(root.place(kind).unwrap_or_default(), place, "{os} {kind}");
        }
    }
}

#[test]
fn os_release_is_read_with_its_quotes_and_likes() {
    assert_eq!(
        parse_os_release("NAME=x\nID='ubuntu'\nID_LIKE=debian"),
        Distribution::Debian
    );
    assert_eq!(
        parse_os_release("ID=linuxmint\nID_LIKE=\"ubuntu debian\""),
        Distribution::Debian
    );
    assert_eq!(
        parse_os_release("ID=endeavouros\nID_LIKE=arch"),
        Distribution::Arch
    );
    assert_eq!(parse_os_release("VARIANT_ID=debian\n"), Distribution::Other);
    let root = Root::new("ID=alpine\n");
    fs::rename(
        root.paths.rooted("/etc/os-release"),
        root.paths.rooted("/etc/gone"),
    )
    .unwrap();
    assert_eq!(distribution(&root.paths), Distribution::Other);
    root.file("/usr/lib/os-release", "ID=arch\n");
    assert_eq!(distribution(&root.paths), Distribution::Arch);
}

#[test]
fn a_plan_covers_every_touched_kind() {
    let root = Root::new("ID=debian\n");
    let made = plan(&root.paths, &BTreeSet::from(KINDS), None, &texts()).unwrap();
    let found: Vec<(Kind, &str, u32)> = made
        .writes
        .iter()
        .map(|one| (one.kind, one.content.as_str(), one.mode))
        .collect();
    assert_eq!(
        found,
        [
            (Kind::IptablesV4, "v4\n", 0o640),
            (Kind::IptablesV6, "v6\n", 0o640),
            (Kind::Nft, "nft\n", 0o640),
            (Kind::Ipset, "sets\n", 0o640),
        ]
    );
    let notes = made.notes.join("\n");
    for part in [
        "/etc/iptables is created",
        "apt install iptables-persistent",
        "apt install ipset-persistent",
        "from the texts",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    assert_eq!(notes.matches("is created").count(), 1, "{notes}");
}

#[test]
fn a_file_takes_one_kind() {
    let root = Root::new("ID=plan9\n");
    let file = root.dir.path().join("mine");
    let one = plan(
        &root.paths,
        &BTreeSet::from([Kind::Ipset]),
        Some(&file),
        &texts(),
    )
    .unwrap();
    assert_eq!(
        (one.writes[0].path.as_path(), one.writes[0].content.as_str()),
        (file.as_path(), "sets\n")
    );
    assert_eq!(one.notes, ["from the texts"]);
    let both = BTreeSet::from([Kind::IptablesV4, Kind::IptablesV6]);
    let error = plan(&root.paths, &both, Some(&file), &texts()).unwrap_err();
    assert!(matches!(error, Error::SeveralKinds { .. }), "{error}");
    assert!(
        error.to_string().contains("(IPv4), iptables rules (IPv6)"),
        "{error}"
    );
}

#[test]
fn a_missing_place_or_text_is_an_error() {
    let root = Root::new("ID=alpine\n");
    let error = plan(&root.paths, &BTreeSet::from([Kind::Ipset]), None, &texts()).unwrap_err();
    assert!(error.to_string().contains("--persist=FILE"), "{error}");
    let error = plan(
        &root.paths,
        &BTreeSet::from([Kind::Nft]),
        None,
        &Texts::default(),
    )
    .unwrap_err();
    assert!(
        matches!(error, Error::NoText { kind: Kind::Nft }),
        "{error}"
    );
}

fn note(root: &Root, kind: Kind) -> String {
    loader_note(&root.paths, kind).unwrap_or_default()
}

#[test]
fn loaders_that_are_not_enabled_are_named() {
    let debian = Root::new("ID=debian\n");
    assert_eq!(note(&debian, Kind::Nft), "", "another init may load it");
    debian.file("/etc/systemd/system/x.wants/y.service", "");
    assert!(note(&debian, Kind::Nft).contains("systemctl enable nftables"));
    let wanted = debian
        .paths
        .rooted("/etc/systemd/system/sysinit.target.wants");
    fs::create_dir(&wanted).unwrap();
    symlink("/nowhere/nftables.service", wanted.join("nftables.service")).unwrap();
    assert_eq!(note(&debian, Kind::Nft), "");
    debian.file("/usr/share/netfilter-persistent/plugins.d/15-ip4tables", "");
    assert!(note(&debian, Kind::IptablesV4).contains("systemctl enable netfilter-persistent"));
    assert!(note(&debian, Kind::IptablesV6).contains("apt install iptables-persistent"));

    let red_hat = Root::new("ID=fedora\n");
    assert!(note(&red_hat, Kind::Ipset).contains("dnf install ipset-service"));
    let alpine = Root::new("ID=alpine\n");
    assert!(note(&alpine, Kind::IptablesV6).contains("rc-update add ip6tables"));
    alpine.file("/etc/runlevels/default/ip6tables", "");
    assert_eq!(note(&alpine, Kind::IptablesV6), "");
}

fn is_boot(root: &Root, path: &Path) -> bool {
    is_boot_file(&root.paths, path)
}

#[test]
fn boot_files_are_known_by_any_name() {
    let root = Root::new("ID=debian\n");
    let rules = root.file("/etc/iptables/rules.v4", "x");
    assert!(is_boot(&root, &rules));
    symlink(&rules, root.dir.path().join("link")).unwrap();
    assert!(is_boot(&root, &root.dir.path().join("link")));
    let real = root.file("/srv/rules.v6", "x");
    assert!(!is_boot(&root, &real));
    symlink(&real, root.paths.rooted("/etc/iptables/rules.v6")).unwrap();
    assert!(is_boot(&root, &real));
    assert!(!is_boot(
        &root,
        &root.file("/etc/iptables/rules.v4.old", "x")
    ));
    assert!(!is_boot(&root, &root.file("/etc/sysconfig/iptables", "x")));
    assert!(!is_boot(&root, Path::new("/nonexistent")));
    let other = Root::new("ID=plan9\n");
    assert!(is_boot(&other, &other.file("/etc/sysconfig/iptables", "x")));
}

#[test]
fn what_the_nft_script_includes_is_loaded_at_boot() {
    let root = Root::new("ID=debian\n");
    root.file(
        "/etc/nftables.conf",
        "flush ruleset\ninclude \"/srv/fw/*.nft\"\ninclude \"one.conf\";\n",
    );
    assert!(is_boot(&root, &root.file("/srv/fw/a.nft", "")));
    assert!(!is_boot(&root, &root.file("/srv/fw/a.txt", "")));
    assert!(!is_boot(&root, &root.file("/srv/fw/deep/a.nft", "")));
    assert!(is_boot(&root, &root.file("/etc/one.conf", "")));
    assert!(is_boot(&root, &root.file("/etc/nftables.d/x.nft", "")));
}

#[test]
fn self_contained_scripts_begin_with_a_flush_and_include_nothing() {
    assert!(self_contained(
        "#!/usr/sbin/nft -f\n\n flush  ruleset;\ntable inet x {}\n"
    ));
    assert!(!self_contained("table inet x {}\nflush ruleset\n"));
    assert!(!self_contained("flush ruleset\ninclude \"x\"\n"));
    assert!(!self_contained("flush ruleset ip\n"));
    assert!(!self_contained(""));
}
