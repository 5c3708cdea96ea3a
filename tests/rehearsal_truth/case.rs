//! One question put to `check`: these rules are live, those are to come.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use safe_apply::candidate::Resolved;

/// What loads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `iptables-…-restore`.
    Iptables(Resolved),
    /// `ip6tables-…-restore`.
    Ip6tables(Resolved),
    /// `nft -f`.
    Nft,
    /// `ipset restore`.
    Ipset,
    /// `arptables-nft-restore`; only for live rules, since no candidate is in this format.
    Arptables,
}

impl Tool {
    /// The command line; the rules are its standard input.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Iptables(Resolved::Nft) => &["iptables-nft-restore"],
            Self::Iptables(Resolved::Legacy) => &["iptables-legacy-restore", "-w", "10"],
            Self::Ip6tables(Resolved::Nft) => &["ip6tables-nft-restore"],
            Self::Ip6tables(Resolved::Legacy) => &["ip6tables-legacy-restore", "-w", "10"],
            Self::Nft => &["nft", "-f", "-"],
            Self::Ipset => &["ipset", "-exist", "restore"],
            Self::Arptables => &["arptables-nft-restore"],
        }
    }

    /// Where iptables rules go.
    pub const fn backend(self) -> Option<Resolved> {
        match self {
            Self::Iptables(backend) | Self::Ip6tables(backend) => Some(backend),
            Self::Nft | Self::Ipset | Self::Arptables => None,
        }
    }

    /// What `safe-apply` wants before the file's name.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Iptables(_) => "v4:",
            Self::Ip6tables(_) => "v6:",
            Self::Nft | Self::Ipset | Self::Arptables => "",
        }
    }

    /// The place in the order in which `safe-apply` loads: sets, nft, IPv4, IPv6.
    pub const fn order(self) -> u8 {
        match self {
            Self::Ipset => 0,
            Self::Nft => 1,
            Self::Iptables(_) => 2,
            Self::Ip6tables(_) => 3,
            Self::Arptables => 4,
        }
    }
}

/// Rules as a tool reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub tool: Tool,
    pub text: String,
}

impl File {
    pub fn new(tool: Tool, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { tool, text }
    }
}

/// The whole question.
#[derive(Clone, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// The rules that are live when the user logs in.
    pub live: Vec<File>,
    pub candidate: Vec<File>,
    /// The address that the user comes from.
    pub user: IpAddr,
    /// What the user dials.
    pub server: SocketAddr,
}

impl Case {
    /// The candidate's files in the order in which `safe-apply` loads them.
    pub fn in_order(files: &[File]) -> Vec<&File> {
        let mut files: Vec<_> = files.iter().collect();
        files.sort_by_key(|file| file.tool.order());
        files
    }

    /// All rules, in any language, as one text.
    pub fn text(&self) -> String {
        let files = self.live.iter().chain(&self.candidate);
        files.map(|file| file.text.as_str()).collect()
    }
}

/// Everything that is needed to try it again by hand.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "case {}: {} logs in at {}",
            self.name, self.user, self.server
        )?;
        for (title, files) in [("live", &self.live), ("candidate", &self.candidate)] {
            if files.is_empty() {
                writeln!(f, "--- {title}: nothing")?;
            }
            for file in files {
                writeln!(f, "--- {title}: {}", file.tool.words().join(" "))?;
                f.write_str(&numbered(&file.text))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn numbered(text: &str) -> String {
    let mut lines = String::new();
    for (at, line) in text.lines().enumerate() {
        let _ = writeln!(lines, "{:4}  {line}", at + 1);
    }
    lines
}
