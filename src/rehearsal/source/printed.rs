//! Rules as the tools print them, in the calling thread's network namespace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Sources;
use crate::candidate::{Candidate, Kind, Resolved};
use crate::checkpoint::Part;
use crate::exec::Run;
use crate::legacy;
use crate::nftables::TableId;

/// How long a tool may take to print a table.
const DEADLINE: Duration = Duration::from_secs(5);
/// The tables of iptables, and the chains that hang on hooks.
const TABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
pub(super) const BUILT_IN: [&str; 5] = ["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"];

/// What the tools printed, each table and each chain once.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// By table; of nft, by table and chain.
    texts: BTreeMap<(Part, Option<String>), Sources>,
}

impl Printed {
    /// The chain's rules in the language that they are best told in: that of iptables where
    /// its tools made them, unless `nft` is wanted. Empty where no tool prints them.
    pub fn chain(&mut self, part: &Part, chain: &str, nft: bool) -> &Sources {
        let iptables = !nft && self.is_of_iptables(part);
        let key = (part.clone(), (!iptables).then(|| chain.to_owned()));
        self.texts.entry(key).or_insert_with(|| match part {
            Part::Nft(id) => list_chain(id, chain),
            Part::Legacy(..) | Part::Set(_) => Sources::default(),
        })
    }

    /// Whether iptables made this table and its tools can print it.
    pub fn is_of_iptables(&mut self, part: &Part) -> bool {
        let key = (part.clone(), None);
        let printed = self.texts.entry(key).or_insert_with(|| save(part));
        let known = |chain: &String| BUILT_IN.contains(&chain.as_str());
        let mut base = printed.policies.iter().map(|policy| &policy.chain);
        !printed.policies.is_empty() && base.all(known)
    }
}

/// The table in iptables-save format; empty where it is none of iptables'.
fn save(part: &Part) -> Sources {
    let (tool, table, backend, kind) = match part {
        Part::Nft(id) if !TABLES.contains(&id.name.as_str()) => return Sources::default(),
        Part::Nft(TableId { family: 2, name }) => {
            ("iptables-nft-save", name, Resolved::Nft, Kind::IptablesV4)
        }
        Part::Nft(TableId { family: 10, name }) => {
            ("ip6tables-nft-save", name, Resolved::Nft, Kind::IptablesV6)
        }
        Part::Legacy(legacy::Family::V4, name) => (
            "iptables-legacy-save",
            name,
            Resolved::Legacy,
            Kind::IptablesV4,
        ),
        Part::Legacy(legacy::Family::V6, name) => (
            "ip6tables-legacy-save",
            name,
            Resolved::Legacy,
            Kind::IptablesV6,
        ),
        Part::Nft(_) | Part::Set(_) => return Sources::default(),
    };
    read(tool, &["-t", table], kind, backend)
}

fn list_chain(id: &TableId, chain: &str) -> Sources {
    let id = id.to_string();
    let Some((family, table)) = id.split_once(' ') else {
        return Sources::default();
    };
    let args = ["-s", "list", "chain", family, table, chain];
    read("nft", &args, Kind::Nft, Resolved::Nft)
}

fn read(tool: &str, args: &[&str], kind: Kind, backend: Resolved) -> Sources {
    let args = args.iter().map(|arg| (*arg).to_owned());
    let run = Run::tool(tool).map(|run| run.args(args).deadline(DEADLINE));
    let Ok(bytes) = run.and_then(Run::success) else {
        return Sources::default();
    };
    let printed = Candidate {
        name: tool.to_owned(),
        path: None,
        cwd: PathBuf::from("/"),
        kind,
        bytes,
        sha256: [0; 32],
    };
    Sources::parse(&[printed], backend, false)
}
