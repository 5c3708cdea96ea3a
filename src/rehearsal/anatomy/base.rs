//! Where base chains hang.

use crate::netlink::find;
use crate::nftables::kernel::chain;
use crate::nftables::{self};

/// A hook of the network stack (`linux/netfilter.h`), the same for all families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Straight from the device.
    Ingress,
    /// Before routing.
    Prerouting,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// After routing.
    Postrouting,
    /// Straight to the device.
    Egress,
}

impl Hook {
    /// The word that nft uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Egress => "egress",
        }
    }

    /// Whether packets to this host pass it.
    #[must_use]
    pub const fn is_inward(self) -> bool {
        matches!(self, Self::Ingress | Self::Prerouting | Self::Input)
    }

    /// Whether packets from this host pass it.
    #[must_use]
    pub const fn is_outward(self) -> bool {
        matches!(self, Self::Output | Self::Postrouting | Self::Egress)
    }
}

/// The kind of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sees every packet.
    Filter,
    /// Sees the first packet of a connection only.
    Nat,
    /// As filter, and routes again what it marked.
    Route,
}

/// Where a base chain hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The hook.
    pub hook: Hook,
    /// The kind.
    pub kind: Kind,
    /// Lower comes first.
    pub priority: i32,
    /// Whether what reaches the end is dropped.
    pub drops: bool,
}

impl Base {
    /// Of a chain of a table of `family` (`NFPROTO_*`).
    #[must_use]
    pub fn of(family: u8, of: &nftables::Chain) -> Option<Self> {
        let hooked = find(&of.attributes, chain::HOOK)?;
        let number = |kind| find(hooked.payload, kind).and_then(|one| one.be32());
        let hook = match (family, number(chain::HOOK_NUMBER)?) {
            (5, 0) | (1, 5) => Hook::Ingress,
            (5, 1) => Hook::Egress,
            // arp has hooks of its own: in, out.
            (3, 0) => Hook::Input,
            (3, 1) => Hook::Output,
            (3, 2) => Hook::Forward,
            (_, 0) => Hook::Prerouting,
            (_, 1) => Hook::Input,
            (_, 2) => Hook::Forward,
            (_, 3) => Hook::Output,
            (_, 4) => Hook::Postrouting,
            _ => return None,
        };
        let kind = find(&of.attributes, chain::TYPE).map(|kind| kind.text());
        let priority = number(chain::HOOK_PRIORITY).unwrap_or(0);
        Some(Self {
            hook,
            kind: match kind.as_deref() {
                Some("nat") => Kind::Nat,
                Some("route") => Kind::Route,
                _ => Kind::Filter,
            },
            priority: i32::from_be_bytes(priority.to_be_bytes()),
            drops: of.drops(),
        })
    }

    /// Of a built-in chain of a legacy table.
    #[must_use]
    pub fn of_legacy(table: &str, chain: &str, drops: bool) -> Option<Self> {
        let hook = match chain {
            "PREROUTING" => Hook::Prerouting,
            "INPUT" => Hook::Input,
            "FORWARD" => Hook::Forward,
            "OUTPUT" => Hook::Output,
            "POSTROUTING" => Hook::Postrouting,
            _ => return None,
        };
        // `linux/netfilter_ipv4.h`, `enum nf_ip_hook_priorities`.
        let (kind, priority) = match table {
            "raw" => (Kind::Filter, -300),
            "mangle" => (Kind::Route, -150),
            "nat" if hook.is_inward() && hook != Hook::Input || hook == Hook::Output => {
                (Kind::Nat, -100)
            }
            "nat" => (Kind::Nat, 100),
            "security" => (Kind::Filter, 50),
            _ => (Kind::Filter, 0),
        };
        Some(Self {
            hook,
            kind,
            priority,
            drops,
        })
    }
}
