//! The candidates' rules, and where each stands in its file.

mod address;
mod build;
mod decision;
mod iptables;
mod layout;
mod nft;
mod option;
mod place;
mod printed;
mod remedy;
mod same;

use crate::candidate::{Candidate, Family, Kind, Resolved};
use crate::checkpoint::Part;

pub use decision::{Teller, decision};
pub use layout::Layouts;
pub use place::Place;
pub use remedy::remedy;

/// A rule as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRule {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1; of an nft rule the line it begins on.
    pub line: usize,
    /// The language.
    pub kind: Kind,
    /// The table that it goes to.
    pub part: Part,
    /// The chain that it goes to.
    pub chain: String,
    /// The rule without what surrounds it: `-A INPUT -p tcp --dport 22 -j ACCEPT`, `tcp dport 22 accept`.
    pub text: String,
    /// How many rules the tool makes of it (`-s a,b` makes two); `None` where that cannot be told.
    pub makes: Option<usize>,
}

/// A base chain with its policy, as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePolicy {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The table.
    pub part: Part,
    /// The chain.
    pub chain: String,
    /// `DROP` or `ACCEPT`, as in the file.
    pub policy: String,
}

/// All rules and policies of all candidates, in the order of the files; the rules of one chain
/// in the order that they end up in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The rules.
    pub rules: Vec<SourceRule>,
    /// The policies.
    pub policies: Vec<SourcePolicy>,
    /// How the rules get to their places, and what lines could be put beside them.
    pub layouts: Layouts,
}

impl Sources {
    /// Reads the rules of `candidates` in the order in which they are loaded: nft scripts (with
    /// the files that they include), IPv4, IPv6.
    ///
    /// `iptables` is where iptables rules go; `noflush` is what the restore tools are told. What
    /// is not understood is left out: [`Sources::locate`] notices.
    #[must_use]
    pub fn parse(candidates: &[Candidate], iptables: Resolved, noflush: bool) -> Self {
        let mut builder = build::Builder::default();
        for kind in [Kind::Nft, Kind::IptablesV4, Kind::IptablesV6] {
            for candidate in candidates.iter().filter(|one| one.kind == kind) {
                match kind {
                    Kind::Nft => nft::read(candidate, &mut builder),
                    Kind::IptablesV4 => {
                        iptables::read(candidate, Family::V4, iptables, noflush, &mut builder);
                    }
                    Kind::IptablesV6 => {
                        iptables::read(candidate, Family::V6, iptables, noflush, &mut builder);
                    }
                    Kind::Ipset => {}
                }
            }
        }
        builder.finish()
    }
}
