//! Time servers (`timesyncd.conf(5)`, `chrony.conf(5)`, `ntp.conf(5)`, `ntpd.conf(5)`).

use std::net::IpAddr;
use std::path::Path;

use super::{Need, literal, push, text, texts};
use crate::rehearsal::Protocol;

const TIMESYNCD: &str = "etc/systemd/timesyncd.conf";
const TIMESYNCD_DROP_INS: [&str; 3] = [
    "usr/lib/systemd/timesyncd.conf.d",
    "run/systemd/timesyncd.conf.d",
    "etc/systemd/timesyncd.conf.d",
];
const FILES: [&str; 5] = [
    "etc/chrony/chrony.conf",
    "etc/chrony.conf",
    "etc/ntp.conf",
    "etc/ntpsec/ntp.conf",
    "etc/openntpd/ntpd.conf",
];
/// Directories that chrony is told of, with the ending of its files there.
const DIRECTORIES: [(&str, &str); 4] = [
    ("etc/chrony/conf.d", ".conf"),
    ("etc/chrony/sources.d", ".sources"),
    ("etc/chrony.d", ".conf"),
    ("run/chrony-dhcp", ".sources"),
];
/// Daemons that have servers of their own where no file names any.
const DAEMONS: [&str; 4] = [
    "usr/lib/systemd/systemd-timesyncd",
    "lib/systemd/systemd-timesyncd",
    "usr/sbin/chronyd",
    "usr/sbin/ntpd",
];
const PORT: u16 = 123;

/// The servers that are named by address; where none is, any.
pub(super) fn read(root: &Path) -> Vec<Need> {
    let mut present = DAEMONS.iter().any(|path| root.join(path).exists());
    let mut servers = Vec::new();
    let timesyncd: Vec<String> = text(root, TIMESYNCD)
        .into_iter()
        .chain(
            TIMESYNCD_DROP_INS
                .iter()
                .flat_map(|path| texts(root, path, ".conf")),
        )
        .collect();
    present |= !timesyncd.is_empty();
    servers.extend(timesyncd_servers(&timesyncd.concat()));
    let files = FILES.iter().filter_map(|path| text(root, path));
    let dropped = DIRECTORIES
        .iter()
        .flat_map(|(path, suffix)| texts(root, path, suffix));
    for file in files.chain(dropped) {
        present = true;
        servers.extend(file.lines().filter_map(server));
    }
    // A clock on this host has an address of 127.127.0.0/16 (`ntp.conf(5)`).
    servers.retain(|(ip, _)| !ip.is_loopback());
    let mut needs = Vec::new();
    for (ip, port) in &servers {
        push(&mut needs, "time server", Protocol::Udp, Some(*ip), *port);
    }
    if servers.is_empty() && present {
        push(&mut needs, "time server", Protocol::Udp, None, PORT);
    }
    needs
}

/// Values of `NTP=` add up, an empty one takes back what was said; without any of them
/// `FallbackNTP=` counts.
fn timesyncd_servers(text: &str) -> Vec<(IpAddr, u16)> {
    let mut lists = [("NTP", Vec::new()), ("FallbackNTP", Vec::new())];
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        for (_, list) in lists.iter_mut().filter(|(name, _)| *name == key.trim()) {
            if value.trim().is_empty() {
                list.clear();
            }
            list.extend(value.split_whitespace());
        }
    }
    let named = lists.into_iter().map(|(_, list)| list);
    let first = named.into_iter().find(|list| !list.is_empty());
    let words = first.unwrap_or_default();
    words
        .into_iter()
        .filter_map(|word| Some((literal(word)?, PORT)))
        .collect()
}

/// A line of the other daemons' files: `server ADDRESS …`, for chrony with `port N`.
fn server(line: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_whitespace();
    if !["server", "servers", "pool", "peer"].contains(&words.next()?) {
        return None;
    }
    // `-4` and `-6` may come first (`ntp.conf(5)`).
    let ip = literal(words.find(|word| !word.starts_with('-'))?)?;
    let port = words.skip_while(|word| *word != "port").nth(1);
    Some((ip, port.and_then(|port| port.parse().ok()).unwrap_or(PORT)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::read;

    #[test]
    fn servers_of_timesyncd() {
        let file = |text| ("etc/systemd/timesyncd.conf", text);
        assert_eq!(
            found(
                read,
                &[file("[Time]\nNTP=192.0.2.1 ntp.example.org 2001:db8::1\n")]
            ),
            ["udp/123 192.0.2.1", "udp/123 2001:db8::1"]
        );
        let names = "[Time]\n#NTP=192.0.2.1\nFallbackNTP=0.pool.example.org\n";
        assert_eq!(found(read, &[file(names)]), ["udp/123 any"]);
        let drop_in = |text| ("etc/systemd/timesyncd.conf.d/50-ours.conf", text);
        assert_eq!(
            found(
                read,
                &[file("NTP=192.0.2.1\n"), drop_in("NTP=\nNTP=192.0.2.2\n")]
            ),
            ["udp/123 192.0.2.2"]
        );
        assert_eq!(
            found(
                read,
                &[
                    file("FallbackNTP=192.0.2.3\n"),
                    drop_in("NTP=a.example.org\n")
                ]
            ),
            ["udp/123 any"]
        );
    }

    #[test]
    fn servers_of_the_others() {
        let chrony = "# server 192.0.2.9\n! server 192.0.2.9\npool 2.pool.example.org iburst\n\
                      server 192.0.2.1 iburst port 1123\nserver 169.254.169.123 prefer\n";
        assert_eq!(
            found(read, &[("etc/chrony/chrony.conf", chrony)]),
            ["udp/1123 192.0.2.1", "udp/123 169.254.169.123"]
        );
        let leased = ("run/chrony-dhcp/eth0.sources", "server 192.0.2.4 iburst\n");
        let none = ("etc/chrony.conf", "pool 2.pool.example.org\n");
        assert_eq!(found(read, &[none, leased]), ["udp/123 192.0.2.4"]);
        let ntp = "server 127.127.1.0\nserver -6 2001:db8::7 iburst\npeer 192.0.2.5\n";
        assert_eq!(
            found(read, &[("etc/ntp.conf", ntp)]),
            ["udp/123 2001:db8::7", "udp/123 192.0.2.5"]
        );
        let open = (
            "etc/openntpd/ntpd.conf",
            "servers pool.example.org\nserver 192.0.2.6\n",
        );
        assert_eq!(found(read, &[open]), ["udp/123 192.0.2.6"]);
    }

    #[test]
    fn without_a_daemon_no_time_is_needed() {
        assert!(found(read, &[]).is_empty());
        assert_eq!(found(read, &[("usr/sbin/chronyd", "")]), ["udp/123 any"]);
    }
}
