//! A port that is open to some, and not to the user.

use super::study::{FLEETING_PORT, Piece, Study, Weight};
use crate::rehearsal::anatomy::{Answer, Hook, Packet, Verdict, Walk};

const TCP: u8 = 6;

/// Says which rule names the wrong addresses.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let Some((peer, local)) = study.input.session else {
        return Vec::new();
    };
    let v6 = local.is_ipv6();
    let packet = |from| {
        Packet::new(from, Some(local.ip()), v6, TCP)
            .by(study.outside(v6))
            .syn(Some(FLEETING_PORT), Some(local.port()))
    };
    let mut user = Walk::new(&study.after, packet(Some(peer.ip())));
    let Some(chain) = user.certainly_dropped(Hook::Input) else {
        return Vec::new();
    };
    let anybody = Walk::new(&study.after, packet(None));
    // One of whom nothing is known but that the packet is for another port.
    let elsewhere = Walk::new(
        &study.after,
        Packet::new(None, Some(local.ip()), v6, TCP)
            .by(study.outside(v6))
            .syn(Some(FLEETING_PORT), Some(super::study::ODD_PORT)),
    );
    let meant = chain.rules.iter().position(|rule| {
        rule.verdict == Verdict::Accept
            && anybody.hits(rule).0 != Answer::No
            && user.hits(rule).0 == Answer::No
            && elsewhere.hits(rule).0 == Answer::No
    });
    let Some(rule) = meant.filter(|_| study.is_own(chain)) else {
        return Vec::new();
    };
    let message = format!(
        "it lets some addresses in to port {}, and yours, {}, is not among them",
        local.port(),
        peer.ip()
    );
    vec![study.about(Weight::Breaks, chain, Some(rule + 1), message)]
}
