//! Packets of open connections that are dropped.

use super::study::{Dropped, FLEETING_PORT, Piece, Study, Weight};
use crate::rehearsal::anatomy::{Hook, Walk};

const HTTPS: u16 = 443;
const SSH: u16 = 22;

/// Says which chains drop them.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut told: Vec<Dropped<'_>> = Vec::new();
    if study.untracks() {
        return pieces;
    }
    for v6 in [false, true] {
        if v6 && study.global(true).is_none() {
            continue;
        }
        for hook in [Hook::Input, Hook::Output] {
            let inward = hook == Hook::Input;
            if inward && !may_call_out(study, v6) {
                continue;
            }
            let own = study.input.session.map_or(SSH, |(_, local)| local.port());
            let packet = study.foreign(v6, inward);
            let packet = if inward {
                packet.ack(Some(HTTPS), Some(FLEETING_PORT))
            } else {
                packet.ack(Some(own), Some(FLEETING_PORT))
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
                "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                "ct state established,related accept",
            );
            let what = if inward {
                "answers to connections that this host opens (names, updates, time)".to_owned()
            } else {
                format!(
                    "what this host sends over open connections, such as those to its port {own},"
                )
            };
            let verb = if inward { "are" } else { "is" };
            let message = format!(
                "{what} {verb} dropped ({by}): no rule lets packets of established connections \
                 through. Put {line} near the top of chain {}",
                chain.name
            );
            pieces.push(study.about(Weight::Breaks, dropped.end, dropped.rule, message));
            told.push(dropped);
        }
    }
    pieces
}

/// Whether this host may open connections to others at all.
fn may_call_out(study: &Study<'_>, v6: bool) -> bool {
    let packet = study
        .foreign(v6, false)
        .syn(Some(FLEETING_PORT), Some(HTTPS));
    let mut walk = Walk::new(&study.after, packet);
    walk.certainly_dropped(Hook::Output).is_none()
}
