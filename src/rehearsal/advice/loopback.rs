//! Packets over the loopback interface that are dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::study::{Dropped, FLEETING_PORT, ODD_PORT, Piece, Study, Weight, family};
use crate::rehearsal::anatomy::{Device, Hook, Packet};

const TCP: u8 = 6;

/// Says which chains drop them.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut told: Vec<Dropped<'_>> = Vec::new();
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
            let Some(dropped) = study.dropped(packet, hook) else {
                continue;
            };
            if told.iter().any(|other| dropped.is_in_chain_of(other)) {
                continue;
            }
            let (chain, by) = (dropped.chain, &dropped.by);
            let line = study.line(
                chain,
                &format!("{option} lo -j ACCEPT"),
                &format!("{word} \"lo\" accept"),
            );
            let message = format!(
                "{} over the loopback interface is dropped ({by}): programs on this host cannot \
                 talk to each other at {address}. Put {line} first in chain {}",
                family(v6),
                chain.name
            );
            pieces.push(study.about(Weight::Breaks, dropped.end, dropped.rule, message));
            told.push(dropped);
        }
    }
    pieces
}
