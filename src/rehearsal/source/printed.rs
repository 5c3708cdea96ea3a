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

const FOREIGN: &[u8] = b"use 'nft' tool";

/// What nft rules hold that those of iptables never do.
const NFT_ONLY: [&str; 4] = ["{", "@", "vmap", "map"];

/// What the tools printed, each table and each chain once.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// In iptables' language.
    saved: BTreeMap<Part, Sources>,
    /// In nft's.
    listed: BTreeMap<(Part, String), Sources>,
    /// Whether iptables made the table.
    of_iptables: BTreeMap<Part, bool>,
}

/// Who made a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    Iptables,
    Nft,
    /// To be found out.
    Unknown,
}

impl Printed {
    /// The chain's table or the chain alone in the language that it was made in; empty where no
    /// tool prints it.
    pub fn chain(&mut self, part: &Part, chain: &str, maker: Maker) -> &Sources {
        let iptables = match (part, maker) {
            (Part::Legacy(..), _) | (_, Maker::Iptables) => true,
            (_, Maker::Nft) => false,
            (Part::Nft(id), Maker::Unknown) => *self
                .of_iptables
                .entry(part.clone())
                .or_insert_with(|| made_by_iptables(id)),
            (Part::Set(_), Maker::Unknown) => false,
        };
        if iptables {
            let saved = self.saved.entry(part.clone());
            return saved.or_insert_with(|| save(part));
        }
        let key = (part.clone(), chain.to_owned());
        self.listed.entry(key).or_insert_with(|| match part {
            Part::Nft(id) => list(id, Some(chain)),
            Part::Legacy(..) | Part::Set(_) => Sources::default(),
        })
    }
}

/// Whether a table looks like one of iptables': its names, a counter in every rule. Its tools
/// print other rules too, and leave out what they do not understand (1.8.9).
fn made_by_iptables(id: &TableId) -> bool {
    if !TABLES.contains(&id.name.as_str()) || !matches!(id.family, 2 | 10) {
        return false;
    }
    let listed = list(id, None);
    let base = |chain: &str| BUILT_IN.contains(&chain);
    let mut chains = listed.layouts.chains.iter();
    let names = chains.all(|((_, chain), layout)| base(chain) == layout.hook.is_some());
    let counts = listed.rules.iter().all(|rule| {
        let mut words = rule.text.split_ascii_whitespace();
        words.clone().any(|word| word == "counter") && !words.any(|word| NFT_ONLY.contains(&word))
    });
    names && counts && !listed.layouts.chains.is_empty()
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

/// A table or a chain, without what it counted.
fn list(id: &TableId, chain: Option<&str>) -> Sources {
    let id = id.to_string();
    let Some((family, table)) = id.split_once(' ') else {
        return Sources::default();
    };
    let what = if chain.is_some() { "chain" } else { "table" };
    let args: Vec<&str> = ["-s", "list", what, family, table]
        .into_iter()
        .chain(chain)
        .collect();
    read("nft", &args, Kind::Nft, Resolved::Nft)
}

fn read(tool: &str, args: &[&str], kind: Kind, backend: Resolved) -> Sources {
    let args = args.iter().map(|arg| (*arg).to_owned());
    let run = Run::tool(tool).map(|run| run.args(args).deadline(DEADLINE));
    let Ok(bytes) = run.and_then(Run::success) else {
        return Sources::default();
    };
    // What iptables' tools say, as a comment, of tables that nft made.
    if bytes.windows(FOREIGN.len()).any(|some| some == FOREIGN) {
        return Sources::default();
    }
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
