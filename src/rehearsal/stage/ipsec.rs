//! Whether the host has IPsec policies (`linux/xfrm.h`).

use std::fs;

use rustix::net::netlink::XFRM;

use crate::netlink::{Builder, Socket};

const XFRM_MSG_GETPOLICY: u16 = 0x15;
const XFRM_MSG_NEWPOLICY: u16 = 0x13;
/// Length of `struct xfrm_userpolicy_id`, in bytes.
const POLICY_ID_BYTES: usize = 64;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// `NETLINK_XFRM`, as the second column of `/proc/net/netlink` tells it.
const PROTOCOL: &str = "6";

/// Whether there are any in the calling thread's network namespace; asks only where the
/// kernel's part is there, so that no module is loaded.
pub(super) fn is_used() -> bool {
    let sockets = fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default();
    let mut protocols = sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    protocols.any(|protocol| protocol == PROTOCOL) && has_policies().unwrap_or(true)
}

fn has_policies() -> Result<bool, crate::netlink::Error> {
    let mut socket = Socket::open(XFRM)?;
    let sequence = socket.next_sequence();
    let mut request = Builder::new();
    request.begin(XFRM_MSG_GETPOLICY, DUMP, sequence, &[0; POLICY_ID_BYTES]);
    request.end();
    let mut any = false;
    socket.request(request.as_bytes(), sequence, |message| {
        any |= message.kind == XFRM_MSG_NEWPOLICY;
    })?;
    Ok(any)
}
