//! Which ports may be clients'.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

const PORT_RANGE: &str = "net/ipv4/ip_local_port_range";
const RESERVED_PORTS: &str = "net/ipv4/ip_local_reserved_ports";
/// The kernel's own range (`net/ipv4/af_inet.c`).
const DEFAULT_RANGE: RangeInclusive<u16> = 32768..=60999;
/// How many sockets that may be clients' are named.
const NAMED: usize = 5;

/// The ports that the kernel gives to clients (`ip-sysctl.rst`).
#[derive(Debug)]
pub(super) struct ClientPorts {
    range: RangeInclusive<u16>,
    reserved: Vec<RangeInclusive<u16>>,
}

impl ClientPorts {
    /// Those that `sysctls` name: path without `/proc/sys/`, value.
    pub(super) fn new(sysctls: &BTreeMap<String, String>) -> Self {
        let value = |name| sysctls.get(name).map_or("", String::as_str);
        let mut ends = value(PORT_RANGE).split_whitespace().map(str::parse);
        let range = match (ends.next(), ends.next()) {
            (Some(Ok(first)), Some(Ok(last))) => first..=last,
            _ => DEFAULT_RANGE,
        };
        // Such as `8080,9000-9010`.
        let reserved = value(RESERVED_PORTS).split(',').filter_map(|one| {
            let (first, last) = one.split_once('-').unwrap_or((one, one));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        });
        Self {
            range,
            reserved: reserved.collect(),
        }
    }

    /// What is said of UDP sockets, by port and program, that may wait for answers only.
    pub(super) fn words(&self, waiting: &BTreeSet<(u16, Option<&str>)>) -> Option<String> {
        let name = |(port, program): &(u16, Option<&str>)| match program {
            Some(program) => format!("udp/{port} ({program})"),
            None => format!("udp/{port}"),
        };
        let named: Vec<String> = waiting.iter().take(NAMED).map(name).collect();
        let more = match waiting.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (first, last) = (self.range.start(), self.range.end());
        (!waiting.is_empty()).then(|| {
            let named = named.join(", ");
            format!("{named}{more}: ports that clients use too ({first} to {last})")
        })
    }

    /// Whether `port` is one of them.
    pub(super) fn contain(&self, port: u16) -> bool {
        self.range.contains(&port) && !self.reserved.iter().any(|range| range.contains(&port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(values: &[(&str, &str)]) -> ClientPorts {
        let owned = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ClientPorts::new(&owned.collect())
    }

    #[test]
    fn ports_of_clients() {
        assert_eq!(clients(&[]).range, DEFAULT_RANGE);
        let ports = clients(&[
            (PORT_RANGE, "2000\t3000"),
            (RESERVED_PORTS, "2100,2200-2202"),
        ]);
        for client in [2000, 3000, 2101, 2199, 2203] {
            assert!(ports.contain(client), "{client}");
        }
        for service in [1999, 3001, 2100, 2200, 2201, 2202] {
            assert!(!ports.contain(service), "{service}");
        }
    }
}
