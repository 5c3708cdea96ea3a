//! Waits until the wires carry packets: the kernel starts the end that was set up first
//! some time after the other.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::rtnl::{RTM_GETLINK, Rtnl};
use crate::netlink::{Error, Message, find};
use crate::netns::NetNs;

/// `RTMGRP_LINK`.
const LINK_EVENTS: u32 = 1;
/// Length of `struct ifinfomsg`, in bytes.
const IFINFOMSG_BYTES: usize = 16;
const IFLA_QDISC: u16 = 6;
/// `IFF_UP | IFF_RUNNING`.
const RUNNING: u32 = 0x41;
const DEADLINE: Duration = Duration::from_secs(3);

/// Hears that something becomes of the interfaces of a namespace.
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
    pub(super) fn await_carriers(
        &self,
        namespace: &mut Rtnl,
        links: &BTreeSet<u32>,
    ) -> Result<(), Error> {
        let until = Instant::now() + DEADLINE;
        loop {
            // What was heard up to now is in the list.
            self.clear()?;
            let carrying = namespace.dump(RTM_GETLINK, &[0; IFINFOMSG_BYTES], |message| {
                carrying(&message)
            })?;
            if links.is_subset(&carrying.into_iter().collect()) {
                return Ok(());
            }
            let left = until.checked_duration_since(Instant::now());
            let left = left.ok_or(Errno::TIMEDOUT)?;
            let left = left.try_into().map_err(|_| Errno::INVAL)?;
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            retry_on_intr(|| poll(&mut fds, Some(&left)))?;
        }
    }

    /// Takes all that was heard; that it was too much is no matter.
    fn clear(&self) -> Result<(), Errno> {
        loop {
            match recv(&self.fd, &mut [0][..], RecvFlags::DONTWAIT) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The interface's index, if packets can leave by it.
fn carrying(message: &Message<'_>) -> Option<u32> {
    let header = message.payload.get(..IFINFOMSG_BYTES)?;
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let queue = find(&message.payload[IFINFOMSG_BYTES..], IFLA_QDISC)?.text();
    (flags & RUNNING == RUNNING && queue != "noop").then_some(index)
}
