//! Who has come in since the rules went live.

use std::collections::BTreeSet;

use super::{Connection, Known, Tuple, diag, sockets};

/// The inbound connections established since `known` was recorded that were not in `seen`, which
/// they are added to by their cookies; only those to `service_port` where that is given.
///
/// Connections within this host are left out. Nothing is returned when the kernel
/// does not answer: this is for people's eyes, the verdict does not depend on it.
pub fn arrivals(known: &Known, seen: &mut BTreeSet<u64>, service_port: Option<u16>) -> Vec<Tuple> {
    let (Ok(connections), Ok(listening)) = (diag::current(), diag::listening()) else {
        return Vec::new();
    };
    let Ok(own) = sockets::own_addresses() else {
        return Vec::new();
    };
    let is_arrival = |one: &Connection| {
        let port = one.tuple.local.port();
        one.state == diag::ESTABLISHED
            && service_port.map_or_else(|| listening.contains(&port), |service| service == port)
            && !known.contains(one)
            && !one.tuple.is_within_host(&own)
            && seen.insert(one.cookie)
    };
    let arrived = connections.into_iter();
    let arrived: Vec<Connection> = arrived.filter(is_arrival).collect();
    arrived.into_iter().map(|one| one.tuple).collect()
}
