//! Where the kernel would send a packet (`RTM_GETROUTE` of one address).

use std::io;
use std::net::IpAddr;

use rustix::io::Errno;

use super::Path;
use crate::netlink::address::{address, family, full_prefix};
use crate::netlink::hop::{RTA_DST, RTA_OIF, RTA_PREFSRC, RTA_SRC, gateway};
use crate::netlink::route::{RTM_GETROUTE, RTM_NEWROUTE, RTMSG_BYTES, Request, Rtnl};
use crate::netlink::{self, find};

/// How unmarked packets to `to` leave that come from `from`, an address of this host, or from
/// an address of the kernel's choice.
#[derive(Debug, Clone, Copy)]
pub(in crate::rehearsal) struct Question {
    pub to: IpAddr,
    pub from: Option<IpAddr>,
    /// The interface, for addresses that mean nothing without one (`fe80::/10`).
    pub link: Option<u32>,
}

/// How an unmarked packet to `to` leaves, from `from` (an address of this host) or from
/// whichever address the kernel takes, in the calling thread's network namespace.
/// What is for this host itself leaves by `lo`.
///
/// # Errors
/// What the kernel says: `ENETUNREACH` and `EHOSTUNREACH` where no route leads there or
/// one refuses, `EACCES` for a route of type `prohibit`, `EINVAL` for `blackhole`; one or
/// another of these where `from` is no address of this host.
pub fn path_to(to: IpAddr, from: Option<IpAddr>) -> io::Result<Path> {
    let (to, from) = (to.to_canonical(), from.map(|from| from.to_canonical()));
    if let Some(from) = from.filter(|from| from.is_ipv4() != to.is_ipv4()) {
        let reason = format!("{from} and {to} are of different families");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let question = Question {
        to,
        from,
        link: None,
    };
    let mut socket = Rtnl::here()?;
    let answers = paths(&mut socket, &[question])?;
    let answer = answers.into_iter().next().unwrap_or(Err(Errno::IO));
    let mut path = answer.map_err(io::Error::from)?;
    path.source = from.or(path.source);
    Ok(path)
}

/// The kernel's answers, in the namespace that `socket` belongs to.
///
/// # Errors
/// Those of the socket.
pub(in crate::rehearsal) fn paths(
    socket: &mut Rtnl,
    questions: &[Question],
) -> Result<Vec<Result<Path, Errno>>, netlink::Error> {
    let requests: Vec<Request> = questions.iter().map(request).collect();
    let mut answers = vec![Err(Errno::NETUNREACH); questions.len()];
    let refused = socket.exchange(&requests, |place, message| {
        if message.kind != RTM_NEWROUTE {
            return;
        }
        if let (Some(path), Some(answer)) = (path(message.payload), answers.get_mut(place)) {
            *answer = Ok(path);
        }
    })?;
    for (place, errno) in refused {
        answers[place] = Err(errno);
    }
    Ok(answers)
}

fn request(question: &Question) -> Request {
    let mut header = [0; RTMSG_BYTES];
    header[0] = family(question.to);
    header[1] = full_prefix(question.to);
    header[2] = question.from.map_or(0, full_prefix);
    let mut request = Request::new(RTM_GETROUTE, 0, &header).ip(RTA_DST, question.to);
    if let Some(from) = question.from {
        request = request.ip(RTA_SRC, from);
    }
    if let Some(link) = question.link {
        request = request.number(RTA_OIF, link);
    }
    request
}

fn path(payload: &[u8]) -> Option<Path> {
    let attributes = payload.get(RTMSG_BYTES..)?;
    Some(Path {
        link: find(attributes, RTA_OIF)?.ne32()?,
        gateway: gateway(attributes),
        source: find(attributes, RTA_PREFSRC).and_then(|source| address(source.payload)),
    })
}
