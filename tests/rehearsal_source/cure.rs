//! A lockout, and its end.

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
use crate::lab::{Lab, PORT, SERVER_V4, SERVER_V6, USER_V4};
use crate::paste::paste;

/// Rules that lock the user out, and which of them does.
pub struct Case<'a> {
    pub backend: Resolved,
    /// What is there before.
    pub before: &'a [(&'a str, &'a str)],
    pub files: &'a [(&'a str, &'a str)],
    pub noflush: bool,
    pub part: Part,
    pub chain: &'a str,
    pub rule: Option<usize>,
    pub reply: bool,
    pub user: &'a str,
    /// Whether it was ARP or neighbour discovery that was stopped.
    pub neighbour: bool,
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

pub fn nft(family: u8, name: &str) -> Part {
    let name = name.to_owned();
    Part::Nft(TableId { family, name })
}

pub fn iptables(backend: Resolved, v6: bool, table: &str) -> Part {
    match (backend, v6) {
        (Resolved::Nft, false) => nft(2, table),
        (Resolved::Nft, true) => nft(10, table),
        (Resolved::Legacy, false) => Part::Legacy(legacy::Family::V4, table.to_owned()),
        (Resolved::Legacy, true) => Part::Legacy(legacy::Family::V6, table.to_owned()),
    }
}

/// Shows that the user is locked out, does what the remedy says, and that the user gets in.
pub fn cure(case: &Case<'_>) -> Remedy {
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
