//! Waits until a namespace takes and sends packets. Two things happen some time after they
//! were asked for: the end of a wire that was set up first starts to carry packets, and
//! packets to a new IPv6 address are taken (`addrconf_dad_work` in `net/ipv6/addrconf.c`).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::plan::LOOPBACK;
use crate::netlink::address::address;
use crate::netlink::hop::{RTA_DST, RTA_OIF};
use crate::netlink::route::{
    IFADDRMSG_BYTES, IFINFOMSG_BYTES, RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTMSG_BYTES, Rtnl,
};
use crate::netlink::{Error, Message, find};
use crate::netns::NetNs;

/// `RTMGRP_LINK | RTMGRP_IPV6_ROUTE`.
const EVENTS: u32 = 0x401;
const IFLA_QDISC: u16 = 6;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const AF_INET6: u8 = 10;
const RTN_LOCAL: u8 = 2;
const IFF_UP: u32 = 1;
/// `IFF_UP | IFF_RUNNING`.
const RUNNING: u32 = 0x41;
const DEADLINE: Duration = Duration::from_secs(5);

/// Hears that something becomes of interfaces or addresses of a namespace.
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
            bind(&fd, &SocketAddrNetlink::new(0, EVENTS))?;
            Ok(fd)
        });
        let fd = opened.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))??;
        Ok(Self { fd })
    }

    /// Returns when all of `wires` carry packets and all IPv6 addresses take them;
    /// `TIMEDOUT` if that does not come to pass.
    pub(super) fn await_ready(
        &self,
        namespace: &mut Rtnl,
        wires: &BTreeSet<u32>,
    ) -> Result<(), Error> {
        let until = Instant::now() + DEADLINE;
        loop {
            // What was heard up to now is in the lists.
            self.clear()?;
            if is_ready(namespace, wires)? {
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

fn is_ready(namespace: &mut Rtnl, wires: &BTreeSet<u32>) -> Result<bool, Error> {
    let links = namespace.dump(RTM_GETLINK, &[0; IFINFOMSG_BYTES], |message| link(&message))?;
    let carrying: BTreeSet<u32> = links
        .iter()
        .filter(|one| one.carries)
        .map(|one| one.index)
        .collect();
    if !wires.is_subset(&carrying) {
        return Ok(false);
    }
    let up: BTreeSet<u32> = links
        .iter()
        .filter(|one| one.up)
        .map(|one| one.index)
        .collect();
    let mut header = [0; IFADDRMSG_BYTES];
    header[0] = AF_INET6;
    let own = namespace.dump(RTM_GETADDR, &header, |message| own(&message))?;
    let mut header = [0; RTMSG_BYTES];
    header[0] = AF_INET6;
    let taken = namespace.dump(RTM_GETROUTE, &header, |message| taken(&message))?;
    let taken: BTreeSet<(IpAddr, u32)> = taken.into_iter().collect();
    // Older kernels name `lo` instead of the interface.
    let is_taken = |(ip, link)| taken.contains(&(ip, link)) || taken.contains(&(ip, LOOPBACK));
    let mut own = own.into_iter().filter(|(_, link)| up.contains(link));
    Ok(own.all(is_taken))
}

#[derive(Debug)]
struct State {
    index: u32,
    up: bool,
    /// Whether packets can leave by it.
    carries: bool,
}

fn link(message: &Message<'_>) -> Option<State> {
    let header = message.payload.get(..IFINFOMSG_BYTES)?;
    let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let queue = find(&message.payload[IFINFOMSG_BYTES..], IFLA_QDISC)?.text();
    Some(State {
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        up: flags & IFF_UP != 0,
        carries: flags & RUNNING == RUNNING && queue != "noop",
    })
}

/// An IPv6 address and its interface.
fn own(message: &Message<'_>) -> Option<(IpAddr, u32)> {
    let header = message.payload.get(..IFADDRMSG_BYTES)?;
    let attributes = &message.payload[IFADDRMSG_BYTES..];
    let ip = find(attributes, IFA_LOCAL).or_else(|| find(attributes, IFA_ADDRESS))?;
    let link = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let ip = address(ip.payload).filter(IpAddr::is_ipv6)?;
    Some((ip, link))
}

/// An IPv6 address that packets are taken for, and its interface.
fn taken(message: &Message<'_>) -> Option<(IpAddr, u32)> {
    let header = message.payload.get(..RTMSG_BYTES)?;
    let attributes = &message.payload[RTMSG_BYTES..];
    let ip = address(find(attributes, RTA_DST)?.payload)?;
    let link = find(attributes, RTA_OIF)?.ne32()?;
    (header[7] == RTN_LOCAL).then_some((ip, link))
}
