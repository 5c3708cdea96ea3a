//! Which programs hold sockets (`proc(5)`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use crate::connection::process::socket_inode;

/// The first process, which holds what it hands to the services it starts.
const INIT: u32 = 1;

/// What one walk over the processes found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Programs {
    /// The name of the program that holds a socket, by inode.
    pub names: BTreeMap<u64, String>,
    /// Whether every process could be looked at that had to be.
    pub complete: bool,
}

/// Looks for the holders of `wanted` in the processes below `proc_root`. Of several the
/// one of the lowest number counts, the first process last.
pub(super) fn find(proc_root: &Path, mut wanted: BTreeSet<u64>) -> Programs {
    let entries = fs::read_dir(proc_root);
    let mut found = Programs {
        names: BTreeMap::new(),
        complete: entries.is_ok(),
    };
    let pids = entries.into_iter().flatten().flatten();
    let mut pids: Vec<u32> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable_by_key(|pid| (*pid == INIT, *pid));
    for pid in pids {
        if wanted.is_empty() {
            break;
        }
        let process = proc_root.join(pid.to_string());
        match held(&process, &wanted) {
            Ok(held) if held.is_empty() => {}
            Ok(held) => {
                let Ok(comm) = fs::read(process.join("comm")) else {
                    continue;
                };
                let name = String::from_utf8_lossy(&comm).trim_end().to_owned();
                for inode in held {
                    wanted.remove(&inode);
                    found.names.insert(inode, name.clone());
                }
            }
            // It ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => found.complete = false,
        }
    }
    found
}

/// Which of `wanted` a process holds.
fn held(process: &Path, wanted: &BTreeSet<u64>) -> io::Result<Vec<u64>> {
    let mut held = Vec::new();
    for entry in fs::read_dir(process.join("fd"))? {
        // What was closed meanwhile is not held.
        let target = entry.and_then(|entry| fs::read_link(entry.path()));
        let inode = target
            .ok()
            .and_then(|target| socket_inode(target.to_str()?));
        held.extend(inode.filter(|inode| wanted.contains(inode)));
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::connection::fake::Proc;
    use std::collections::BTreeSet;
    use std::fs;

    fn process(proc: &Proc, pid: i32, comm: &str, sockets: &[u64]) {
        proc.process(pid, 1, comm, 1);
        fs::write(proc.root().join(format!("{pid}/comm")), format!("{comm}\n")).unwrap();
        for (number, inode) in (3..).zip(sockets) {
            proc.socket(pid, number, *inode);
        }
    }

    #[test]
    fn a_service_comes_before_the_first_process() {
        let proc = Proc::new();
        process(&proc, 1, "systemd", &[10, 11]);
        process(&proc, 90, "nginx", &[12, 10]);
        process(&proc, 91, "worker", &[12]);
        proc.open(90, 40, "/dev/null");
        let found = find(proc.root(), BTreeSet::from([10, 11, 12, 13]));
        let name = |inode: u64| found.names.get(&inode).map(String::as_str);
        assert_eq!(name(10), Some("nginx"));
        assert_eq!(name(11), Some("systemd"));
        assert_eq!(name(12), Some("nginx"));
        assert_eq!(name(13), None);
        assert!(found.complete);
    }

    #[test]
    fn processes_that_may_not_be_looked_at_are_told() {
        let proc = Proc::new();
        process(&proc, 90, "nginx", &[12]);
        // A file in place of the directory: an error other than that it is gone.
        fs::create_dir(proc.root().join("91")).unwrap();
        fs::write(proc.root().join("91/fd"), "").unwrap();
        let found = find(proc.root(), BTreeSet::from([12, 13]));
        assert!(!found.complete);
        assert_eq!(found.names.len(), 1);
        // Nobody had to look there.
        assert!(find(proc.root(), BTreeSet::from([12])).complete);
        assert!(!find(&proc.root().join("none"), BTreeSet::new()).complete);
    }
}
