//! IPv6 neighbour discovery that is dropped.

use std::net::{IpAddr, Ipv6Addr};

use super::study::{Piece, Study, Weight};
use crate::rehearsal::anatomy::{Device, Fate, Hook, Packet, Walk, state};

const ICMPV6: u8 = 58;
const TCP: u8 = 6;
/// Types (RFC 4861).
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// What neighbour discovery is sent with; routers would count it down.
const HOPS: u8 = 255;
/// Routes that came from router advertisements (`linux/rtnetlink.h`).
const RTPROT_RA: u8 = 9;
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Says which chains drop it.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    if study.global(true).is_none() {
        return Vec::new();
    }
    let device = study.outside(true).or_else(|| study.outside(false));
    for hook in [Hook::Input, Hook::Output] {
        if !lets_anything(study, hook, device.clone()) {
            continue;
        }
        let by_router = |route: &super::super::host::Route| route.v6 && route.protocol == RTPROT_RA;
        let advertised = study.input.host.routes.iter().any(by_router);
        let mut kinds = vec![SOLICITATION, ADVERTISEMENT];
        if hook == Hook::Input && advertised {
            kinds.push(ROUTER_ADVERTISEMENT);
        }
        for kind in kinds {
            let router: IpAddr = ROUTER.into();
            let packet = match hook {
                Hook::Input => Packet::new(Some(router), None, true, ICMPV6).by(device.clone()),
                _ => Packet::new(None, Some(router), true, ICMPV6).out_by(device.clone()),
            };
            let packet = packet
                .icmp(kind)
                .hops(HOPS)
                .in_state(Some(state::UNTRACKED));
            let Some(dropped) = study.dropped(packet, hook) else {
                continue;
            };
            let by = &dropped.by;
            let line = study.line(
                dropped.chain,
                "-p ipv6-icmp -j ACCEPT",
                "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",
            );
            let message = if kind == ROUTER_ADVERTISEMENT {
                format!(
                    "IPv6 router advertisements are dropped ({by}), and the default route of this \
                     host comes from them: it will expire. Put {line} before it"
                )
            } else {
                format!(
                    "IPv6 neighbour discovery is dropped ({by}): nobody will reach this host over \
                     IPv6, whatever other rules say. Put {line} before it"
                )
            };
            return vec![study.about(Weight::Breaks, dropped.end, dropped.rule, message)];
        }
    }
    Vec::new()
}

/// Whether any IPv6 packet of the world may pass; where none is meant to, discovery is not missed.
fn lets_anything(study: &Study<'_>, hook: Hook, device: Option<Device>) -> bool {
    let packet = match hook {
        Hook::Input => Packet::new(None, None, true, TCP).by(device),
        _ => Packet::new(None, None, true, TCP).out_by(device),
    };
    let mut walk = Walk::new(&study.after, packet.ports(None, None));
    let bases = walk.bases(hook);
    bases.into_iter().all(|chain| {
        let Fate {
            accepted, passes, ..
        } = walk.through(chain);
        accepted || passes && chain.lets_pass()
    })
}
