//! Lists that rules keep in the kernel and that no dump of rules holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Where the thread's namespace shows them (`net/netfilter/xt_recent.c`, `xt_hashlimit.c`).
const DIRECTORIES: [&str; 3] = ["xt_recent", "ipt_hashlimit", "ip6t_hashlimit"];
/// The queues that programs listen to.
const QUEUES: &str = "netfilter/nfnetlink_queue";
const NET: &str = "/proc/thread-self/net";
/// Tables that this program does not read, and the tool for them.
const MODULES: [(&str, &str); 4] = [
    ("ebtable_filter", "ebtables-legacy"),
    ("ebtable_nat", "ebtables-legacy"),
    ("ebtable_broute", "ebtables-legacy"),
    ("arptable_filter", "arptables-legacy"),
];

/// What is in such lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Name of the list to the addresses in it.
    pub lists: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Tools whose tables the kernel holds and this program does not read.
    pub unread: BTreeSet<String>,
    /// Whether a program waits for packets that rules hand to it (`NFQUEUE`).
    pub programs: bool,
    /// In words, what is attached to interfaces and decides about packets too: `an XDP program at eth0`.
    pub attached: BTreeSet<String>,
}

impl Live {
    /// Reads those of the calling thread's namespace.
    #[must_use]
    pub fn read() -> Self {
        let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
        Self {
            unread: unread(&modules),
            attached: super::attached::read(),
            ..Self::read_from(Path::new(NET))
        }
    }

    /// The same, from the directory that is `/proc/net`.
    #[must_use]
    pub fn read_from(net: &Path) -> Self {
        let mut lists: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for directory in DIRECTORIES {
            for entry in fs::read_dir(net.join(directory))
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                let found = text.lines().filter_map(address);
                lists.entry(name).or_default().extend(found);
            }
        }
        Self {
            lists,
            programs: are_waited_for(&net.join(QUEUES)),
            ..Self::default()
        }
    }
}

/// One line for each queue that is listened to (`net/netfilter/nfnetlink_queue.c`); no file, no queues.
fn are_waited_for(queues: &Path) -> bool {
    match fs::read_to_string(queues) {
        Ok(lines) => !lines.trim().is_empty(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn unread(modules: &str) -> BTreeSet<String> {
    let loaded = modules.lines().filter_map(|line| line.split(' ').next());
    loaded
        .filter_map(|module| MODULES.iter().find(|(name, _)| *name == module))
        .map(|(_, tool)| (*tool).to_owned())
        .collect()
}

/// The address in a line: `src=192.0.2.1 ttl: …`, `59 192.0.2.1:0->0.0.0.0:0 …`.
fn address(line: &str) -> Option<IpAddr> {
    let word = match line.strip_prefix("src=") {
        Some(rest) => rest.split(' ').next()?,
        None => line.split_ascii_whitespace().nth(1)?.split("->").next()?,
    };
    let word = word.trim_start_matches('[').trim_end_matches(']');
    word.parse().ok().or_else(|| {
        let (host, _) = word.rsplit_once(':')?;
        host.trim_matches(['[', ']']).parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_both_formats() {
        let of = |line| address(line).map(|ip| ip.to_string());
        let recent = "src=192.0.2.7 ttl: 64 last_seen: 4294 oldest_pkt: 1 4294";
        assert_eq!(of(recent).as_deref(), Some("192.0.2.7"));
        let recent = "src=2001:0db8:0000:0000:0000:0000:0000:0007 ttl: 64 last_seen: 1";
        assert_eq!(of(recent).as_deref(), Some("2001:db8::7"));
        let hash = "59 192.0.2.7:0->0.0.0.0:22 128000 640000 128000";
        assert_eq!(of(hash).as_deref(), Some("192.0.2.7"));
        let hash = "59 2001:0db8:0000:0000:0000:0000:0000:0007:0->0000:0000:0000:0000:0000:0000:0000:0000:0 1 2 3";
        assert_eq!(of(hash).as_deref(), Some("2001:db8::7"));
        assert_eq!(of(""), None);
    }

    #[test]
    fn modules_of_tables_that_are_not_read_are_named() {
        let found = unread("ebtable_filter 16384 1 - Live 0x0\nveth 1 0 - Live 0x0\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["ebtables-legacy"]);
    }

    #[test]
    fn programs_that_wait_for_packets_are_noticed() {
        let net = tempfile::tempdir().unwrap();
        assert!(!Live::read_from(net.path()).programs);
        fs::create_dir(net.path().join("netfilter")).unwrap();
        let queues = net.path().join(QUEUES);
        fs::write(&queues, "").unwrap();
        assert!(!Live::read_from(net.path()).programs);
        fs::write(
            &queues,
            "    0   4711     0 2 65531     0     0        0  1\n",
        )
        .unwrap();
        assert!(Live::read_from(net.path()).programs);
        fs::remove_file(&queues).unwrap();
        // Cannot be read: there may be some.
        fs::create_dir(&queues).unwrap();
        assert!(Live::read_from(net.path()).programs);
    }
}
