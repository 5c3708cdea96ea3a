//! Why a socket got no answer: the error queue tells an ICMP error that somebody sent from
//! one that this side made itself (`ip(7)`, `IP_RECVERR`).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use rustix::io::Errno;

/// `ICMP_DEST_UNREACH`, `linux/icmp.h`.
const V4_UNREACHABLE: u8 = 3;
/// `ICMP_HOST_UNREACH`: also what this side makes of a neighbour that does not answer.
const V4_HOST: u8 = 1;
/// `ICMP_FRAG_NEEDED`: about sizes, not a refusal.
const V4_TOO_BIG: u8 = 4;
/// `ICMPV6_DEST_UNREACH`, `linux/icmpv6.h`.
const V6_UNREACHABLE: u8 = 1;
/// `ICMPV6_ADDR_UNREACH`, as `ICMP_HOST_UNREACH`.
const V6_ADDRESS: u8 = 3;

/// What an error says about the way to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Somebody said no.
    Rejected,
    /// The host is not to be reached, says this side itself: either a neighbour did not
    /// answer, or a rule of this side rejects in these words.
    Unreachable,
}

/// Has ICMP errors kept for [`queued`].
pub(super) fn keep(fd: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(&fd, Ipv6RecvErr, &true)?;
    } else {
        setsockopt(&fd, Ipv4RecvErr, &true)?;
    }
    Ok(())
}

/// The first refusal in the error queue, which is emptied up to it. `other` is the address that was dialled.
pub(super) fn queued(fd: impl AsFd, other: IpAddr) -> Option<Refusal> {
    loop {
        // The packet that the error is about: nobody reads it.
        let mut packet = [0; 256];
        let mut parts = [IoSliceMut::new(&mut packet)];
        let mut space = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let raw = fd.as_fd().as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(raw, &mut parts, Some(&mut space), flags).ok()?;
        let refusal = message.cmsgs().ok()?.find_map(|note| read(&note, other));
        if refusal.is_some() {
            return refusal;
        }
    }
}

fn read(note: &ControlMessageOwned, other: IpAddr) -> Option<Refusal> {
    match note {
        ControlMessageOwned::Ipv4RecvErr(error, offender) => {
            let offender = offender
                .map(|address| Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
                .map(IpAddr::from);
            judge(error, offender != Some(other))
        }
        ControlMessageOwned::Ipv6RecvErr(error, offender) => {
            let offender = offender
                .map(|address| Ipv6Addr::from(address.sin6_addr.s6_addr))
                .map(IpAddr::from);
            judge(error, offender != Some(other))
        }
        _ => None,
    }
}

fn judge(error: &libc::sock_extended_err, from_here: bool) -> Option<Refusal> {
    let host = match (error.ee_origin, error.ee_type, error.ee_code) {
        (libc::SO_EE_ORIGIN_ICMP, V4_UNREACHABLE, V4_TOO_BIG) => return None,
        (libc::SO_EE_ORIGIN_ICMP, V4_UNREACHABLE, code) => code == V4_HOST,
        (libc::SO_EE_ORIGIN_ICMP6, V6_UNREACHABLE, code) => code == V6_ADDRESS,
        _ => return None,
    };
    Some(if host && from_here {
        Refusal::Unreachable
    } else {
        Refusal::Rejected
    })
}

/// What the error number of a socket says where the queue has nothing: a reset, or on kernels
/// before 5.13, which queue nothing for TCP, an ICMP error.
pub(super) fn told(error: Errno) -> Option<Refusal> {
    match error {
        // A reset, or: port unreachable.
        Errno::CONNREFUSED | Errno::CONNRESET | Errno::PIPE => Some(Refusal::Rejected),
        // Protocol or network unreachable, prohibited (`icmp_err_convert`, `tab_unreach`).
        Errno::NOPROTOOPT | Errno::NETUNREACH | Errno::ACCESS | Errno::PROTO => {
            Some(Refusal::Rejected)
        }
        Errno::HOSTUNREACH => Some(Refusal::Unreachable),
        _ => None,
    }
}
