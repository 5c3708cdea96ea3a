//! What the kernel holds, as the tools print it: an account that is not the program's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use safe_apply::candidate::{Candidate, Kind, LoadOptions, Resolved, load, load_into_namespace};
use safe_apply::checkpoint::Part;
use safe_apply::exec::Run;
use safe_apply::legacy;
use safe_apply::nftables::TableId;
use safe_apply::rehearsal::decide::Spot;

/// The rules of each chain, as printed, in order.
pub type Chains = BTreeMap<(Part, String), Vec<String>>;

/// Runs a tool in the calling thread's network namespace.
pub fn tool(command: &[&str], input: &str) -> Result<String, String> {
    let output = Run::tool(command[0])
        .unwrap()
        .args(command[1..].iter().copied())
        .stdin(input)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(output.stderr)
    }
}

/// `text` with `@@` replaced by `L` and the number of its line.
pub fn marked(text: &str) -> String {
    let lines = (1..).zip(text.lines());
    let lines: Vec<String> = lines
        .map(|(number, line)| line.replace("@@", &format!("L{number}")))
        .collect();
    lines.join("\n") + "\n"
}

/// The number behind `letter` in the rule's comment.
pub fn mark(rule: &str, letter: char) -> Option<usize> {
    let rest = &rule[rule.rfind("comment")? + 7..];
    let rest = rest.trim_start_matches(['"', ' ', ':']);
    let digits: String = rest
        .strip_prefix(letter)?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// Files as candidates.
pub fn candidates(dir: &Path, files: &[(&str, &str)]) -> Vec<Candidate> {
    let args: Vec<String> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    load(&args, &mut &b""[..]).unwrap()
}

/// Loads candidates into the calling thread's network namespace.
pub fn load_here(
    candidates: &[Candidate],
    backend: Resolved,
    noflush: bool,
    lock: &Path,
) -> Result<(), String> {
    let options = LoadOptions {
        backend: Some(backend),
        noflush,
        xtables_lock: Some(lock.to_owned()),
        deadline: Duration::from_secs(60),
    };
    let loaded = load_into_namespace(candidates, &options);
    loaded.map(drop).map_err(|error| error.to_string())
}

pub fn spot(part: &Part, chain: &str, rule: Option<usize>) -> Spot {
    Spot {
        part: part.clone(),
        chain: chain.to_owned(),
        rule,
        reply: false,
    }
}

/// The tables that candidates of these kinds went to.
pub fn chains(kinds: &[Kind], backend: Resolved) -> Chains {
    let mut chains = Chains::new();
    for kind in kinds {
        match kind {
            Kind::Nft => nft(&mut chains),
            Kind::IptablesV4 => saved(false, backend, &mut chains),
            Kind::IptablesV6 => saved(true, backend, &mut chains),
            Kind::Ipset => {}
        }
    }
    chains
}

fn saved(v6: bool, backend: Resolved, chains: &mut Chains) {
    let (nft, number, family) = if v6 {
        ("ip6tables", 10, legacy::Family::V6)
    } else {
        ("iptables", 2, legacy::Family::V4)
    };
    let variant = match backend {
        Resolved::Nft => "nft",
        Resolved::Legacy => "legacy",
    };
    let text = tool(&[&format!("{nft}-{variant}-save")], "").unwrap();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
        }
        let Some(rule) = line.strip_prefix("-A ") else {
            continue;
        };
        let name = table.clone();
        let part = match backend {
            Resolved::Nft => Part::Nft(TableId {
                family: number,
                name,
            }),
            Resolved::Legacy => Part::Legacy(family, name),
        };
        let chain = rule.split(' ').next().unwrap().to_owned();
        chains
            .entry((part, chain))
            .or_default()
            .push(line.to_owned());
    }
}

fn nft(chains: &mut Chains) {
    let listed = tool(&["nft", "-j", "list", "ruleset"], "").unwrap();
    // What has no form in JSON is announced behind it.
    let mut values = serde_json::Deserializer::from_str(&listed).into_iter::<serde_json::Value>();
    let listed = values.next().unwrap().unwrap();
    for object in listed["nftables"].as_array().unwrap() {
        let rule = &object["rule"];
        if rule.is_null() {
            continue;
        }
        let text = |key: &str| rule[key].as_str().unwrap().to_owned();
        let family = match text("family").as_str() {
            "inet" => 1,
            "ip" => 2,
            "arp" => 3,
            "netdev" => 5,
            "bridge" => 7,
            "ip6" => 10,
            other => panic!("{other}"),
        };
        let name = text("table");
        let part = Part::Nft(TableId { family, name });
        let all = chains.entry((part, text("chain"))).or_default();
        let comment = rule["comment"].as_str().unwrap_or_default();
        all.push(format!("{} comment {comment}", rule["expr"]));
    }
}
