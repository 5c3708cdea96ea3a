//! Remedies in the words of iptables(8).

use std::net::IpAddr;

use super::{Wanted, as_command, before, located, policy};
use crate::candidate::{Kind, Resolved, resolve_backend};
use crate::checkpoint::Part;
use crate::cli::Backend;
use crate::legacy;
use crate::rehearsal::report::{Decision, Remedy};
use crate::rehearsal::source::Sources;
use crate::rehearsal::source::layout::How;
use crate::rehearsal::{Flow, Protocol};

const ESTABLISHED: &str = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT";

pub(super) fn remedy(
    decision: &Decision,
    wanted: Wanted<'_>,
    sources: &Sources,
    kinds: &[Kind],
) -> Option<Remedy> {
    let spot = &decision.spot;
    let (v6, backend, table) = match &spot.part {
        Part::Nft(id) => (id.family == 10, Resolved::Nft, id.name.as_str()),
        Part::Legacy(family, table) => (
            *family == legacy::Family::V6,
            Resolved::Legacy,
            table.as_str(),
        ),
        Part::Set(_) => return None,
    };
    let rules = rules(wanted, table, v6)?;
    let chain = &spot.chain;
    let spell = |command: &str| -> Vec<String> {
        let lines = rules.iter();
        lines.map(|rule| format!("{command} {rule}")).collect()
    };
    if let Some((rule, detail)) = located(decision, sources)
        && detail.how == How::Append
    {
        return Some(Remedy {
            lines: spell(&format!("-A {chain}")),
            place: before(rule.line, &rule.file),
        });
    }
    let mut sections = sources.layouts.sections.iter().rev();
    if let Some(section) = sections.find(|section| section.part == spot.part) {
        let command = match policy(spot, sources) {
            Some(_) => format!("-A {chain}"),
            None => format!("-I {chain}"),
        };
        let place = before(section.commit, &section.file);
        return Some(Remedy {
            lines: spell(&command),
            place: format!("{place} (the COMMIT of table {table})"),
        });
    }
    let kind = if v6 {
        Kind::IptablesV6
    } else {
        Kind::IptablesV4
    };
    let table = match table {
        "filter" => String::new(),
        other => format!(" -t {other}"),
    };
    let tool = tool(v6, backend);
    Some(Remedy {
        lines: spell(&format!("{tool}{table} -I {chain} 1")),
        place: as_command(kinds.contains(&kind)),
    })
}

/// The rules without the chain that they go to.
fn rules(wanted: Wanted<'_>, table: &str, v6: bool) -> Option<Vec<String>> {
    // Nothing is accepted or dropped for good in nat, and raw knows no states yet.
    if table == "nat" {
        return None;
    }
    let Some(flow) = wanted.flow else {
        // ARP never gets to iptables.
        return v6.then(|| vec!["-p ipv6-icmp -j ACCEPT".to_owned()]);
    };
    let states = table != "raw";
    Some(wanted.rules(states, ESTABLISHED, |reply| accept(flow, reply)))
}

fn accept(flow: &Flow, reply: bool) -> String {
    let peer = Wanted::peer(flow);
    let bits = if peer.is_ipv4() { 32 } else { 128 };
    let whose = if reply { "-d" } else { "-s" };
    let port = flow.destination.port();
    let side = if reply { "--sport" } else { "--dport" };
    let what = match (flow.protocol, peer) {
        (Protocol::Tcp | Protocol::Udp, _) => {
            let protocol = flow.protocol;
            format!("-p {protocol} -m {protocol} {side} {port}")
        }
        (Protocol::Icmp, IpAddr::V4(_)) => "-p icmp".to_owned(),
        (Protocol::Icmp, IpAddr::V6(_)) => "-p ipv6-icmp".to_owned(),
    };
    format!("{whose} {peer}/{bits} {what} -j ACCEPT")
}

/// The plain name where that is this backend's, as on most hosts.
fn tool(v6: bool, backend: Resolved) -> &'static str {
    let plain = resolve_backend(Backend::Auto).is_ok_and(|found| found == backend);
    match (v6, plain, backend) {
        (false, true, _) => "iptables",
        (true, true, _) => "ip6tables",
        (false, false, Resolved::Nft) => "iptables-nft",
        (true, false, Resolved::Nft) => "ip6tables-nft",
        (false, false, Resolved::Legacy) => "iptables-legacy",
        (true, false, Resolved::Legacy) => "ip6tables-legacy",
    }
}
