//! Waits until the wires carry packets: the kernel starts the end that was set up first
//! some time after the other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::os::fd::OwnedFd;

use super::rtnl::RTM_NEWLINK;
use crate::netlink::{Messages, find};
use crate::netns::NetNs;

/// `RTMGRP_LINK`.
const LINK_EVENTS: u32 = 1;
/// Length of `struct ifinfomsg`, in bytes.
const IFINFOMSG_BYTES: usize = 16;
const IFLA_QDISC: u16 = 6;
/// `IFF_UP | IFF_RUNNING`.
const RUNNING: u32 = 0x41;
const DEADLINE: Duration = Duration::from_secs(3);
const BUFFER_BYTES: usize = 64 * 1024;

/// Hears what becomes of the interfaces of a namespace.
#[derive(Debug)]
pub(super) struct Events {
    fd: OwnedFd,
}

impl Events {
    /// Of `namespace`, from now on.
    pub(super) fn of(namespace: &NetNs) -> Result<Self, Errno> {
        let opened = namespace.enter(|| {
            let kind = SocketType::RAW;
            let fd = socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, None)?;
            bind(&fd, &SocketAddrNetlink::new(0, LINK_EVENTS))?;
            Ok(fd)
        });
        let fd = opened.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))??;
        Ok(Self { fd })
    }

    /// Returns when all of `links` carry packets; `TIMEDOUT` if that takes too long.
    pub(super) fn await_carriers(&self, mut links: BTreeSet<u32>) -> Result<(), Errno> {
        let until = Instant::now() + DEADLINE;
        let mut buffer = vec![0; BUFFER_BYTES];
        while !links.is_empty() {
            let left = until
                .checked_duration_since(Instant::now())
                .ok_or(Errno::TIMEDOUT)?;
            let left = left.try_into().map_err(|_| Errno::INVAL)?;
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            if retry_on_intr(|| poll(&mut fds, Some(&left)))? == 0 {
                return Err(Errno::TIMEDOUT);
            }
            let (length, _) = recv(&self.fd, &mut buffer[..], RecvFlags::DONTWAIT)?;
            for message in Messages::new(&buffer[..length]) {
                if message.kind == RTM_NEWLINK {
                    note(&mut links, message.payload);
                }
            }
        }
        Ok(())
    }
}

/// Takes an interface that now carries packets from the list.
fn note(links: &mut BTreeSet<u32>, payload: &[u8]) {
    let Some(header) = payload.get(..IFINFOMSG_BYTES) else {
        return;
    };
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let queue = find(&payload[IFINFOMSG_BYTES..], IFLA_QDISC).map(|queue| queue.text());
    if flags & RUNNING == RUNNING && queue.is_some_and(|queue| queue != "noop") {
        links.remove(&index);
    }
}
