//! The candidates' rules, and where each stands in its file.

use crate::candidate::Kind;
use crate::checkpoint::Part;

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

/// All rules and policies of all candidates, in the order of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The rules.
    pub rules: Vec<SourceRule>,
    /// The policies.
    pub policies: Vec<SourcePolicy>,
}
