//! Routes (`linux/rtnetlink.h`).

use super::lister::{Lister, number};
use super::{Error, Route};
use crate::netlink::address::{V4, V6, address};
use crate::netlink::find;
use crate::netlink::hop::{RTA_DST, RTA_PRIORITY, hops};
use crate::netlink::route::{RTM_GETROUTE, RTMSG_BYTES, Request};

const RTMSG_TYPE_AT: usize = 7;
const RTA_TABLE: u16 = 15;
/// Of no use to anybody else: found by asking, not configured.
const RTM_F_CLONED: u32 = 0x200;
const RT_TABLE_LOCAL: u32 = 255;
const RTPROT_KERNEL: u8 = 2;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
/// How many are kept of each family; default routes always.
const MOST: usize = 2000;

impl Route {
    /// `RTN_*`: 1 leads somewhere, 2 is for this host, 6 to 8 refuse.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.raw.get(RTMSG_TYPE_AT).copied().unwrap_or(0)
    }

    /// Whether what it leads to is this host itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.kind() == RTN_LOCAL
    }

    /// `RTA_PRIORITY`: of two routes to the same destination the lower one counts.
    #[must_use]
    pub fn metric(&self) -> u32 {
        let attributes = self.raw.get(RTMSG_BYTES..).unwrap_or(&[]);
        find(attributes, RTA_PRIORITY)
            .and_then(|metric| metric.ne32())
            .unwrap_or(0)
    }

    /// Whether packets to anywhere leave by it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.destination.is_none() && self.kind() == RTN_UNICAST
    }

    /// Without it nobody near, or nobody far, is reached at all.
    fn is_vital(&self) -> bool {
        self.destination.is_none() || (self.gateways.is_empty() && self.kind() == RTN_UNICAST)
    }
}

/// What is kept of many.
#[derive(Debug, Default)]
struct Kept {
    vital: Vec<Route>,
    others: Vec<Route>,
    all: usize,
}

impl Kept {
    fn add(&mut self, route: Route) {
        self.all += 1;
        let list = if route.is_vital() {
            &mut self.vital
        } else {
            &mut self.others
        };
        if list.len() < MOST || route.destination.is_none() {
            list.push(route);
        }
    }

    fn into_routes(mut self) -> Vec<Route> {
        self.others.truncate(MOST.saturating_sub(self.vital.len()));
        self.vital.extend(self.others);
        self.vital
    }
}

/// The routes of both families, but for copies in caches and what the kernel itself puts into the table `local`.
///
/// # Errors
/// What the kernel says.
pub(super) fn read(kernel: &mut Lister, left_out: &mut Vec<String>) -> Result<Vec<Route>, Error> {
    let mut routes = Vec::new();
    for (family, name) in [(V4, "IPv4"), (V6, "IPv6")] {
        let mut header = [0; RTMSG_BYTES];
        header[0] = family;
        let request = Request::new(RTM_GETROUTE, 0, &header);
        let kept = kernel.list("routes", &request, |kept: &mut Kept, bytes| {
            if let Some(route) = parse(bytes).filter(|route| route.v6 == (family == V6)) {
                kept.add(route);
            }
        })?;
        let all = kept.all;
        let family_routes = kept.into_routes();
        if family_routes.len() < all {
            let kept = family_routes.len();
            left_out.push(format!(
                "{name} routes: {kept} of {all} were taken, default routes and attached networks first"
            ));
        }
        routes.extend(family_routes);
    }
    Ok(routes)
}

fn parse(bytes: &[u8]) -> Option<Route> {
    let header: &[u8; RTMSG_BYTES] = bytes.first_chunk()?;
    let [family, length, _, _, table, protocol, _, _, ..] = *header;
    let attributes = bytes.get(RTMSG_BYTES..)?;
    let table = find(attributes, RTA_TABLE).map_or(Some(u32::from(table)), |table| table.ne32())?;
    let cached = number(bytes, 8)? & RTM_F_CLONED != 0;
    let own = table == RT_TABLE_LOCAL && protocol == RTPROT_KERNEL;
    if cached || own || ![V4, V6].contains(&family) {
        return None;
    }
    let destination = find(attributes, RTA_DST).and_then(|to| address(to.payload));
    let mut route = Route {
        raw: bytes.to_vec(),
        table,
        protocol,
        destination: destination.filter(|_| length > 0).map(|to| (to, length)),
        v6: family == V6,
        links: Vec::new(),
        gateways: Vec::new(),
    };
    for hop in hops(bytes) {
        route.links.push(hop.link);
        route.gateways.extend(hop.gateway);
    }
    Some(route)
}
