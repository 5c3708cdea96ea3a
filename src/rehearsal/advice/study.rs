//! What all topics look at.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Advised;
use crate::candidate::Kind;
use crate::checkpoint::{Part, owner_of};
use crate::rehearsal::anatomy::{Anatomy, Chain, Device, Hook, Packet, Walk};
use crate::rehearsal::decide::Spot;
use crate::rehearsal::locate::{Locator, excerpt};
use crate::rehearsal::report::Advice;

/// A host that no rule should know (RFC 5737, RFC 3849).
const STRANGER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
const STRANGER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x77);
/// A port that hardly any rule names.
pub const ODD_PORT: u16 = 47_617;
/// A port such as the sender of a connection gets.
pub const FLEETING_PORT: u16 = 51_713;
const TCP: u8 = 6;

/// How much a piece matters; the first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The host, or programs on it, stop working.
    Breaks,
    /// Others' rules go.
    Takes,
    /// Something is open that looks closed.
    Open,
    /// A rule does not do what it says.
    Idle,
    /// It works and could be tidier.
    Untidy,
}

/// A piece of advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How much it matters.
    pub weight: Weight,
    /// What is said.
    pub advice: Advice,
}

/// What all topics look at.
pub struct Study<'a> {
    /// What advice is given about.
    pub input: &'a Advised<'a>,
    /// The rules as they are after the change.
    pub after: Anatomy,
    /// Where they stand.
    pub locator: Locator<'a>,
    /// The chains that the candidates put rules or policies in.
    chains: BTreeSet<(&'a Part, &'a str)>,
}

impl<'a> Study<'a> {
    /// Of the rules in `input`.
    pub fn new(input: &'a Advised<'a>) -> Self {
        let rules = input.sources.rules.iter();
        let policies = input.sources.policies.iter();
        Self {
            after: Anatomy::of(input.compiled),
            locator: Locator::new(input.sources, input.checkpoint, input.compiled),
            chains: rules
                .map(|rule| (&rule.part, rule.chain.as_str()))
                .chain(policies.map(|policy| (&policy.part, policy.chain.as_str())))
                .collect(),
            input,
        }
    }

    /// Whether the chain is the user's: the candidates', or, among live rules, no other program's.
    pub fn is_own(&self, chain: &Chain) -> bool {
        if self.input.candidates.is_empty() {
            return owner_of(&chain.part, &chain.name).is_none();
        }
        self.chains.contains(&(&chain.part, chain.name.as_str()))
    }

    /// Whether rules of this chain are written as `iptables` options.
    pub fn is_iptables(&self, chain: &Chain) -> bool {
        let mut of_part = self
            .input
            .sources
            .rules
            .iter()
            .filter(|one| one.part == chain.part);
        match (&chain.part, of_part.next()) {
            (Part::Legacy(..), _) => true,
            (_, Some(rule)) => matches!(rule.kind, Kind::IptablesV4 | Kind::IptablesV6),
            (Part::Nft(id), None) => {
                matches!(id.family, 2 | 10)
                    && !chain.name.bytes().any(|byte| byte.is_ascii_lowercase())
            }
            (Part::Set(_), None) => false,
        }
    }

    /// `` add `LINE` `` in the language of the chain.
    pub fn line(&self, chain: &Chain, iptables: &str, nft: &str) -> String {
        if self.is_iptables(chain) {
            format!("`-A {} {iptables}`", chain.name)
        } else {
            format!("`{nft}`")
        }
    }

    /// Where rules of the candidate certainly drop `packet`.
    pub fn dropped(&self, packet: Packet, hook: Hook) -> Option<Dropped<'_>> {
        let mut walk = Walk::new(&self.after, packet);
        let chain = walk.certainly_dropped(hook)?;
        if !self.is_own(chain) {
            return None;
        }
        let (end, rule) = walk.end(chain);
        let rule = rule.map(|at| at + 1);
        let by = self.name(end, rule);
        Some(Dropped {
            chain,
            end,
            rule,
            by,
        })
    }

    /// A piece about a rule (from 1) of a chain, or about its policy.
    pub fn about(
        &self,
        weight: Weight,
        chain: &Chain,
        rule: Option<usize>,
        message: String,
    ) -> Piece {
        let place = self.locator.locate(&spot(chain, rule));
        Piece {
            weight,
            advice: Advice {
                file: place.as_ref().map(|place| place.file.clone()),
                line: place.map(|place| place.line),
                message,
            },
        }
    }

    /// What people call a rule (from 1) of a chain, or its policy: by its line where it has one.
    pub fn name(&self, chain: &Chain, rule: Option<usize>) -> String {
        let spot = spot(chain, rule);
        match self.locator.locate(&spot) {
            Some(place) => {
                let text = excerpt(&place.text);
                format!("`{text}` in line {} of {}", place.line, place.file)
            }
            None => self.locator.name(&spot),
        }
    }

    /// An address of this host that the world can reach; of IPv6 a global one.
    pub fn global(&self, v6: bool) -> Option<IpAddr> {
        let outside = self.outside(v6).map(|device| device.index);
        // `RT_SCOPE_UNIVERSE`; of IPv6 2000::/3.
        let is_global = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => !v4.is_loopback(),
            IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
        };
        let all = self.input.host.addresses.iter();
        let mut found: Vec<_> = all
            .filter(|one| one.scope == 0 && one.ip.is_ipv6() == v6 && is_global(one.ip))
            .collect();
        found.sort_by_key(|one| Some(one.link) != outside);
        found.first().map(|one| one.ip)
    }

    /// The interface that the default route leads out by.
    pub fn outside(&self, v6: bool) -> Option<Device> {
        let host = self.input.host;
        let defaults = host.routes.iter().filter(|route| {
            route.destination.is_none_or(|(_, length)| length == 0) && route.v6 == v6
        });
        // `RT_TABLE_MAIN` first.
        let mut links: Vec<_> = defaults
            .filter_map(|route| Some((route.table != 254, *route.links.first()?)))
            .collect();
        links.sort_unstable();
        let link = host.links.get(&links.first()?.1)?;
        Some(Device {
            name: link.name.clone(),
            index: link.index,
        })
    }

    /// A packet between a stranger and this host, coming in or going out, without its transport header.
    pub fn foreign(&self, v6: bool, inward: bool) -> Packet {
        let stranger: IpAddr = if v6 {
            STRANGER_V6.into()
        } else {
            STRANGER_V4.into()
        };
        let (here, device) = (self.global(v6), self.outside(v6));
        if inward {
            Packet::new(Some(stranger), here, v6, TCP).by(device)
        } else {
            Packet::new(here, Some(stranger), v6, TCP).out_by(device)
        }
    }

    /// Whether some rule keeps connection tracking from packets.
    pub fn untracks(&self) -> bool {
        use crate::rehearsal::anatomy::{Body, Op};
        let rules = self.after.chains.iter().flat_map(|chain| &chain.rules);
        rules.into_iter().any(|rule| match &rule.body {
            Body::Code(ops) => ops.iter().any(|op| match op {
                Op::Other { name, .. } => name == "notrack",
                Op::Target { name, .. } => matches!(name.as_str(), "CT" | "NOTRACK"),
                _ => false,
            }),
            Body::Words(clauses) => clauses
                .iter()
                .any(|one| one.option == "-j" && matches!(one.value(), "CT" | "NOTRACK")),
        })
    }
}

/// Where a packet is dropped.
#[derive(Debug)]
pub struct Dropped<'a> {
    /// The base chain.
    pub chain: &'a Chain,
    /// The chain of the rule that drops it.
    pub end: &'a Chain,
    /// The rule, from 1; `None` is the policy.
    pub rule: Option<usize>,
    /// In words.
    pub by: String,
}

impl Dropped<'_> {
    /// Whether the chain is the same as that of `other`.
    pub fn is_in_chain_of(&self, other: &Dropped<'_>) -> bool {
        other.chain.part == self.chain.part && other.chain.name == self.chain.name
    }
}

/// A rule (from 1) of a chain, or its policy.
pub fn spot(chain: &Chain, rule: Option<usize>) -> Spot {
    Spot {
        part: chain.part.clone(),
        chain: chain.name.clone(),
        rule,
        reply: false,
    }
}

/// `IPv4` or `IPv6`.
pub const fn family(v6: bool) -> &'static str {
    if v6 { "IPv6" } else { "IPv4" }
}
