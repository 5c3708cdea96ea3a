//! Rules that let single ports through where all the rest gets through too.

use super::study::{FLEETING_PORT, ODD_PORT, Piece, Study, Weight, family};
use crate::rehearsal::anatomy::{Answer, Chain, Hook, Packet, Verdict, Walk, meta};
use crate::rehearsal::anatomy::{Body, Op, Origin, payload_base};

const TCP: u8 = 6;

/// Says where.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut told: Vec<&Chain> = Vec::new();
    for v6 in [false, true] {
        if v6 && study.global(true).is_none() {
            continue;
        }
        let odd = study
            .foreign(v6, true)
            .syn(Some(FLEETING_PORT), Some(ODD_PORT));
        let mut odd = Walk::new(&study.after, odd);
        let any = Packet::new(None, None, v6, TCP).ports(None, None);
        let mut any = Walk::new(&study.after, any);
        let bases = any.bases(Hook::Input);
        if !odd.falls_through(Hook::Input) || bases.iter().any(|chain| any.through(chain).dropped) {
            continue;
        }
        for chain in bases {
            let same = |other: &&Chain| other.part == chain.part && other.name == chain.name;
            if !study.is_own(chain) || told.iter().any(same) {
                continue;
            }
            let Some(rule) = opens_port(chain, &any) else {
                continue;
            };
            told.push(chain);
            let what = if study.is_iptables(chain) {
                format!(":{} DROP", chain.name)
            } else {
                "policy drop;".to_owned()
            };
            let message = format!(
                "it lets a port through, but nothing drops the rest: chain {} has policy accept, so \
                 over {} every port is open with or without it. If the rest is meant to be closed, \
                 set the policy: `{what}`",
                chain.name,
                family(v6)
            );
            pieces.push(study.about(Weight::Open, chain, Some(rule + 1), message));
        }
    }
    pieces
}

/// The first rule that accepts a single port.
fn opens_port(chain: &Chain, any: &Walk<'_>) -> Option<usize> {
    chain.rules.iter().position(|rule| {
        rule.verdict == Verdict::Accept && names_port(&rule.body) && any.hits(rule).0 != Answer::No
    })
}

fn names_port(body: &Body) -> bool {
    match body {
        Body::Code(ops) => {
            let iif = ops.iter().any(|op| {
                matches!(
                    op,
                    Op::Load {
                        origin: Origin::Meta(meta::IIF | meta::IIFNAME),
                        ..
                    }
                )
            });
            !iif && ops.iter().any(|op| match op {
                Op::Load {
                    origin: Origin::Payload(base, offset),
                    ..
                } => *base == payload_base::TRANSPORT && *offset == 2,
                Op::Match { name, .. } => name == "multiport",
                _ => false,
            })
        }
        Body::Words(clauses) => clauses
            .iter()
            .any(|one| matches!(one.option.as_str(), "--dport" | "--dports")),
    }
}
