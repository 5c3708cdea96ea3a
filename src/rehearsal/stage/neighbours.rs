//! Neighbour tables (`struct ndmsg`, `struct ndtmsg`, `linux/neighbour.h`).

use super::plan::Plan;
use crate::netlink::route::{
    NDMSG_BYTES, RTM_DELNEIGH, RTM_GETNEIGH, RTM_SETNEIGHTBL, Request, Rtnl,
};
use crate::netlink::{Error, find};
use crate::netns::NetNs;

const NDTA_NAME: u16 = 1;
const NDTA_PARMS: u16 = 6;
const NDTPA_IFINDEX: u16 = 1;
const NDTPA_RETRANS_TIME: u16 = 5;
const NDTPA_DELAY_PROBE_TIME: u16 = 7;
const NDTPA_UCAST_PROBES: u16 = 10;
const NDTPA_MCAST_PROBES: u16 = 11;
const NDTPA_QUEUE_LENBYTES: u16 = 16;
/// Name and family of the tables.
const TABLES: [(&str, u8); 2] = [("arp_cache", 2), ("ndisc_cache", 10)];
/// Who does not answer three times in a row is not there.
const RETRANSMIT_MILLISECONDS: u64 = 100;
const PROBES: u32 = 3;
/// How much may wait for the answer: many probes are sent at once.
const WAITING_BYTES: u32 = 8 << 20;
const NDA_DST: u16 = 1;
/// `NUD_NOARP | NUD_PERMANENT`.
const NOT_LEARNED: u16 = 0xc0;

/// Makes both ends of all wires give up on neighbours after 300 ms.
pub(super) fn hurry(server: &mut Rtnl, world: &mut Rtnl, plan: &Plan) -> Result<(), Error> {
    let here: Vec<u32> = plan.wires.keys().copied().collect();
    let there: Vec<u32> = plan.wires.values().map(|wire| wire.world_index).collect();
    // A kernel that refuses, such as one without IPv6, is as slow as it is by default.
    server.apply(&parameters(&here))?;
    world.apply(&parameters(&there))?;
    Ok(())
}

fn parameters(links: &[u32]) -> Vec<Request> {
    let pairs = links
        .iter()
        .flat_map(|link| TABLES.map(|table| (*link, table)));
    let request = |(link, (name, family)): (u32, (&str, u8))| {
        let mut request =
            Request::new(RTM_SETNEIGHTBL, 0, &[family, 0, 0, 0]).text(NDTA_NAME, name);
        request.body.nest(NDTA_PARMS, |parameters| {
            let numbers = [
                (NDTPA_IFINDEX, link),
                (NDTPA_UCAST_PROBES, PROBES),
                (NDTPA_MCAST_PROBES, PROBES),
                (NDTPA_QUEUE_LENBYTES, WAITING_BYTES),
            ];
            for (attribute, value) in numbers {
                parameters.put(attribute, &value.to_ne_bytes());
            }
            for attribute in [NDTPA_RETRANS_TIME, NDTPA_DELAY_PROBE_TIME] {
                parameters.put(attribute, &RETRANSMIT_MILLISECONDS.to_ne_bytes());
            }
        });
        request
    };
    pairs.map(request).collect()
}

/// Forgets all neighbours that were learned in `namespace`.
pub(super) fn forget(namespace: &NetNs) -> Result<(), Error> {
    let mut socket = super::socket_in(namespace)?;
    let learned = socket.dump(RTM_GETNEIGH, &[0; NDMSG_BYTES], |message| {
        let header = message.payload.get(..NDMSG_BYTES)?;
        let state = u16::from_ne_bytes([header[8], header[9]]);
        let known = [2, 10].contains(&header[0]) && state & NOT_LEARNED == 0;
        let ip = find(&message.payload[NDMSG_BYTES..], NDA_DST)?;
        let request = || Request::new(RTM_DELNEIGH, 0, header).bytes(NDA_DST, ip.payload);
        known.then(request)
    })?;
    // What is gone by itself meanwhile is forgotten as well.
    socket.apply(&learned)?;
    Ok(())
}
