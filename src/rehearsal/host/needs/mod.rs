//! Whom the host itself has to reach, as its files tell. Names are never looked up.

mod packages;
mod resolvers;
mod time;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::{Need, Route};
use crate::rehearsal::Protocol;

const MAIN_TABLE: u32 = 254;

/// All of them; files are looked for below `root`.
pub(super) fn read(root: &Path, routes: &[Route]) -> Vec<Need> {
    let mut needs = resolvers::read(root);
    needs.extend(gateways(routes));
    needs.extend(time::read(root));
    needs.extend(packages::read(root));
    needs
}

/// The next hops of the default route that counts: of each family, in the table `main`
/// if it has one, the one of the lowest metric.
fn gateways(routes: &[Route]) -> Vec<Need> {
    let mut needs = Vec::new();
    for v6 in [false, true] {
        let best = routes
            .iter()
            .filter(|route| route.v6 == v6 && route.is_default() && !route.gateways.is_empty())
            .min_by_key(|route| (route.table != MAIN_TABLE, route.metric()));
        for gateway in best.into_iter().flat_map(|route| &route.gateways) {
            push(
                &mut needs,
                "default gateway",
                Protocol::Icmp,
                Some(*gateway),
                0,
            );
        }
    }
    needs
}

fn push(needs: &mut Vec<Need>, purpose: &str, protocol: Protocol, ip: Option<IpAddr>, port: u16) {
    let need = Need {
        purpose: purpose.to_owned(),
        protocol,
        ip,
        port,
    };
    if !needs.contains(&need) {
        needs.push(need);
    }
}

/// The text of a file; a file that cannot be read says nothing.
fn text(root: &Path, path: &str) -> Option<String> {
    let bytes = fs::read(root.join(path)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The texts of the files in a directory whose names end in `suffix`, by name.
fn texts(root: &Path, directory: &str, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join(directory));
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort_unstable();
    let paths = names.iter().map(|name| format!("{directory}/{name}"));
    paths.filter_map(|path| text(root, &path)).collect()
}

/// An address as files write it: a zone (`%eth0`) is left out.
fn literal(word: &str) -> Option<IpAddr> {
    let address = word.split_once('%').map_or(word, |(address, _)| address);
    let plain: IpAddr = address.parse().ok()?;
    Some(plain.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::gateways;
    use crate::rehearsal::Protocol;
    use crate::rehearsal::host::{Need, Route};
    use std::path::Path;

    /// Writes files below a directory of the test's own.
    pub(super) fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    /// What `read` finds in `files`, as `PROTOCOL/PORT ADDRESS`.
    pub(super) fn found(read: fn(&Path) -> Vec<Need>, files: &[(&str, &str)]) -> Vec<String> {
        let root = root(files);
        read(root.path()).iter().map(line).collect()
    }

    fn line(need: &Need) -> String {
        let ip = need.ip.map_or("any".to_owned(), |ip| ip.to_string());
        format!("{}/{} {ip}", need.protocol, need.port)
    }

    fn default_route(v6: bool, table: u32, metric: u32, gateways: &[&str]) -> Route {
        // struct rtmsg with type unicast (1), then RTA_PRIORITY (6).
        let mut raw = vec![0; 12];
        raw[7] = 1;
        raw.extend_from_slice(&[8_u16.to_ne_bytes(), 6_u16.to_ne_bytes()].concat());
        raw.extend_from_slice(&metric.to_ne_bytes());
        Route {
            raw,
            table,
            protocol: 3,
            destination: None,
            v6,
            links: vec![2],
            gateways: gateways.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn the_default_route_that_counts() {
        let routes = [
            default_route(false, 254, 200, &["192.0.2.200"]),
            default_route(false, 254, 100, &["192.0.2.100"]),
            default_route(false, 100, 0, &["192.0.2.1"]),
            default_route(false, 254, 50, &[]),
            default_route(true, 7, 1024, &["fe80::1", "fe80::2"]),
        ];
        let needs = gateways(&routes);
        assert!(needs.iter().all(|need| need.purpose == "default gateway"));
        let all: Vec<_> = needs.iter().map(line).collect();
        assert_eq!(
            all,
            ["icmp/0 192.0.2.100", "icmp/0 fe80::1", "icmp/0 fe80::2"]
        );
        assert_eq!(needs[0].protocol, Protocol::Icmp);
    }
}
