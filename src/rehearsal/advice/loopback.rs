//! Packets over the loopback interface that are dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::study::{FLEETING_PORT, ODD_PORT, Piece, Study, Weight, family};
use crate::rehearsal::anatomy::{Chain, Device, Hook, Packet, Walk};

const TCP: u8 = 6;

/// Says which chains drop them.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut told: Vec<&Chain> = Vec::new();
    for v6 in [false, true] {
        let address: IpAddr = if v6 {
            Ipv6Addr::LOCALHOST.into()
        } else {
            Ipv4Addr::LOCALHOST.into()
        };
        if v6
            && !study
                .input
                .host
                .addresses
                .iter()
                .any(|one| one.ip == address)
        {
            continue;
        }
        let packet = Packet::new(Some(address), Some(address), v6, TCP)
            .syn(Some(FLEETING_PORT), Some(ODD_PORT));
        for hook in [Hook::Input, Hook::Output] {
            let lo = Some(Device::loopback());
            let (packet, option, word) = match hook {
                Hook::Input => (packet.clone().by(lo), "-i", "iifname"),
                _ => (packet.clone().out_by(lo), "-o", "oifname"),
            };
            let mut walk = Walk::new(&study.after, packet);
            let Some(chain) = walk.certainly_dropped(hook) else {
                continue;
            };
            let same = |other: &&Chain| other.part == chain.part && other.name == chain.name;
            if !study.is_own(chain) || told.iter().any(same) {
                continue;
            }
            told.push(chain);
            let (end, rule) = walk.end(chain);
            let rule = rule.map(|at| at + 1);
            let line = study.line(
                chain,
                &format!("{option} lo -j ACCEPT"),
                &format!("{word} \"lo\" accept"),
            );
            let by = study.name(end, rule);
            let message = format!(
                "{} over the loopback interface is dropped ({by}): programs on this host cannot \
                 talk to each other at {address}. Put {line} first in chain {}",
                family(v6),
                chain.name
            );
            pieces.push(study.about(Weight::Breaks, end, rule, message));
        }
    }
    pieces
}
