//! Remedies in the words of nft(8).

use super::{Wanted, after, as_command, before, located, policy};
use crate::candidate::Kind;
use crate::checkpoint::Part;
use crate::nftables::TableId;
use crate::rehearsal::report::{Decision, Remedy};
use crate::rehearsal::source::Sources;
use crate::rehearsal::source::layout::{How, Layout, Slot};
use crate::rehearsal::source::place::is_unnamed;
use crate::rehearsal::{Flow, Protocol};

const ESTABLISHED: &str = "ct state established,related accept";
const NEIGHBOURS: &str =
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept";
const INET: u8 = 1;
const IP: u8 = 2;
const ARP: u8 = 3;
const NETDEV: u8 = 5;
const BRIDGE: u8 = 7;
const IP6: u8 = 10;
/// `NF_IP_PRI_CONNTRACK` (`linux/netfilter_ipv4.h`): states are known to chains that come later.
const CONNTRACK: i64 = -200;

/// Where lines go in a file.
enum Spelling {
    /// Inside the chain's braces, as they are.
    Bare(String),
    /// As commands with this verb.
    Command(&'static str, String),
}

pub(super) fn remedy(
    decision: &Decision,
    wanted: Wanted<'_>,
    sources: &Sources,
    kinds: &[Kind],
) -> Option<Remedy> {
    let spot = &decision.spot;
    let Part::Nft(id) = &spot.part else {
        return None;
    };
    let layout = sources.layout(spot);
    let rules = rules(wanted, id, layout)?;
    let chain = &spot.chain;
    let (lines, place) = match spelling(decision, sources, layout) {
        Some(Spelling::Bare(place)) => (rules, place),
        // No command can name the chain of a `jump { … }`.
        Some(Spelling::Command(..)) | None if is_unnamed(chain) => return None,
        Some(Spelling::Command(verb, place)) => {
            let spell = |rule| format!("{verb} rule {id} {chain} {rule}");
            (rules.iter().map(spell).collect(), place)
        }
        None => {
            let spell = |rule: &String| {
                let quote = if rule.contains('{') { "'" } else { "" };
                format!("nft insert rule {id} {chain} {quote}{rule}{quote}")
            };
            let place = as_command(kinds.contains(&Kind::Nft));
            (rules.iter().map(spell).collect(), place)
        }
    };
    Some(Remedy { lines, place })
}

/// `None`: no file has to do with the chain.
fn spelling(decision: &Decision, sources: &Sources, layout: Option<&Layout>) -> Option<Spelling> {
    let spot = &decision.spot;
    if let Some((rule, detail)) = located(decision, sources)
        && detail.begins_line
    {
        let place = before(rule.line, &rule.file);
        match detail.how {
            How::Block => return Some(Spelling::Bare(place)),
            How::Append => return Some(Spelling::Command("add", place)),
            How::Elsewhere => {}
        }
    }
    let layout = layout?;
    let iptables = |section: &super::super::layout::Section| section.part == spot.part;
    if sources.layouts.sections.iter().any(iptables) {
        return None;
    }
    let Some(at) = policy(spot, sources) else {
        let place = format!("at the end of {}", layout.candidate);
        return Some(Spelling::Command("insert", place));
    };
    let place = end_of_block(sources, layout, at).map(Spelling::Bare);
    place.or_else(|| {
        let place = format!("at the end of {}", layout.candidate);
        Some(Spelling::Command("add", place))
    })
}

/// Behind the last rule of a chain whose policy is the `at`th, if it ends a line inside the
/// chain's braces.
fn end_of_block(sources: &Sources, layout: &Layout, at: usize) -> Option<String> {
    let played = layout.play(|index| sources.rule(index), 0)?;
    let (line, file) = match played.back() {
        None => {
            let end = sources.layouts.policy_ends.get(at).copied().flatten();
            (end?, &sources.policies.get(at)?.file)
        }
        Some(Slot::Rule(rule) | Slot::Many(rule)) => {
            let detail = sources.layouts.details.get(*rule)?;
            let end = detail.ends_line.filter(|_| detail.how == How::Block);
            (end?, &sources.rule(*rule)?.file)
        }
        Some(Slot::Kept) => return None,
    };
    Some(after(line, file))
}

fn rules(wanted: Wanted<'_>, table: &TableId, layout: Option<&Layout>) -> Option<Vec<String>> {
    let Some(flow) = wanted.flow else {
        let lines: &[&str] = match table.family {
            INET | IP6 => &[NEIGHBOURS],
            ARP => &["arp operation { request, reply } accept"],
            NETDEV | BRIDGE => &["ether type arp accept", NEIGHBOURS],
            _ => return None,
        };
        return Some(lines.iter().map(|line| (*line).to_owned()).collect());
    };
    let states = matches!(table.family, INET | IP | IP6) && layout.is_none_or(knows_states);
    Some(wanted.rules(states, ESTABLISHED, |reply| accept(flow, reply)))
}

/// Whether packets get to this chain after connection tracking.
fn knows_states(layout: &Layout) -> bool {
    let Some([_, hook, priority]) = &layout.hook else {
        return true;
    };
    if hook == "ingress" || hook == "egress" {
        return false;
    }
    let words: Vec<&str> = priority.split_ascii_whitespace().collect();
    let (base, offset) = match words.as_slice() {
        ["raw", rest @ ..] => (-300, rest),
        [first, rest @ ..] => (first.parse::<i64>().unwrap_or(0), rest),
        [] => (0, [].as_slice()),
    };
    let offset = offset.concat().parse::<i64>().unwrap_or(0);
    base + offset > CONNTRACK
}

fn accept(flow: &Flow, reply: bool) -> String {
    let peer = Wanted::peer(flow);
    let family = if peer.is_ipv4() { "ip" } else { "ip6" };
    let whose = if reply { "daddr" } else { "saddr" };
    let side = if reply { "sport" } else { "dport" };
    let port = flow.destination.port();
    let what = match flow.protocol {
        Protocol::Tcp => format!("tcp {side} {port}"),
        Protocol::Udp => format!("udp {side} {port}"),
        Protocol::Icmp if peer.is_ipv4() => "ip protocol icmp".to_owned(),
        Protocol::Icmp => "ip6 nexthdr icmpv6".to_owned(),
    };
    format!("{family} {whose} {peer} {what} accept")
}
