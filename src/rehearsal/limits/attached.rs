//! Programs and filters at interfaces, before the rules and behind them.

use std::collections::{BTreeMap, BTreeSet};

use crate::netlink::{self, Builder, Socket, find};

const NLM_F_REQUEST_DUMP: u16 = 0x301;
const RTM_GETLINK: u16 = 18;
const RTM_GETQDISC: u16 = 38;
/// Lengths of `struct ifinfomsg` and `struct tcmsg`; both have the interface's index at 4.
const IFINFOMSG_BYTES: usize = 16;
const TCMSG_BYTES: usize = 20;
const INDEX: usize = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const TCA_KIND: u16 = 1;

/// In words, what there is in the calling thread's network namespace: `an XDP program at eth0`.
/// What cannot be read is not there.
pub fn read() -> BTreeSet<String> {
    look().unwrap_or_default()
}

fn look() -> Result<BTreeSet<String>, netlink::Error> {
    let mut socket = Socket::open(None)?;
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    let mut found = BTreeSet::new();
    dump(
        &mut socket,
        RTM_GETLINK,
        IFINFOMSG_BYTES,
        |index, attributes| {
            let name = find(attributes, IFLA_IFNAME).map_or_else(String::new, |name| name.text());
            let xdp = find(attributes, IFLA_XDP)
                .and_then(|xdp| find(xdp.payload, IFLA_XDP_ATTACHED))
                .and_then(|attached| attached.payload.first().copied());
            if xdp.is_some_and(|attached| attached != 0) {
                found.insert(format!("an XDP program at {name}"));
            }
            names.insert(index, name);
        },
    )?;
    dump(
        &mut socket,
        RTM_GETQDISC,
        TCMSG_BYTES,
        |index, attributes| {
            let kind = find(attributes, TCA_KIND).map(|kind| kind.text());
            // The two that hold filters for packets that come in.
            if let Some("clsact" | "ingress") = kind.as_deref()
                && let Some(name) = names.get(&index)
            {
                found.insert(format!("filters of tc at {name}"));
            }
        },
    )?;
    Ok(found)
}

fn dump(
    socket: &mut Socket,
    kind: u16,
    header: usize,
    mut each: impl FnMut(u32, &[u8]),
) -> Result<(), netlink::Error> {
    let sequence = socket.next_sequence();
    let mut request = Builder::new();
    request.begin(kind, NLM_F_REQUEST_DUMP, sequence, &vec![0; header]);
    request.end();
    let done = socket.request(request.as_bytes(), sequence, |message| {
        let index = message.payload.get(INDEX..INDEX + 4);
        let index = index.and_then(|bytes| bytes.try_into().ok());
        if let (Some(index), Some(rest)) = (index, message.payload.get(header..)) {
            each(u32::from_ne_bytes(index), rest);
        }
    });
    match done {
        // It changed meanwhile; what was seen was there.
        Err(netlink::Error::Interrupted) => Ok(()),
        other => other,
    }
}
