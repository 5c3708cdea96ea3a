//! Legacy xtables, captured, damaged and restored in scratch namespaces.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use safe_apply::exec::{self, Run};
use safe_apply::legacy::{Error, Family, Lock, Tables, is_pristine};
use safe_apply::netns::NetNs;

const FILTER: &str = "*filter\n:INPUT DROP [17:1234]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [3:99]\n:MINE - [0:0]\n[5:600] -A INPUT -i lo -j ACCEPT\n[7:800] -A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"ssh # [1:2] \\\" quoted\" -j MINE\n[9:1000] -A MINE -j RETURN\nCOMMIT\n";
const NAT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n[1:60] -A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222\nCOMMIT\n";
const LOCKFILE: &str = "XTABLES_LOCKFILE";

/// Runs `work` in a scratch namespace with a lock file of its own.
fn scratch(work: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    let namespace = NetNs::scratch().unwrap();
    namespace.enter(|| work(&lock)).unwrap();
}

fn load(tool: &str, text: impl Into<Vec<u8>>, lock: &Path) {
    let run = Run::tool(tool).unwrap().args(["-c"]).stdin(text);
    run.env(LOCKFILE, lock).success().unwrap();
}

fn run(tool: &str, args: &[&str], lock: &Path) -> String {
    let run = Run::tool(tool).unwrap().args(args).env(LOCKFILE, lock);
    String::from_utf8(run.success().unwrap()).unwrap()
}

fn restore(tables: &Tables, lock: &Path) {
    let parts = tables.differing(&Tables::capture().unwrap(), true);
    let policy = Lock::wait(Duration::from_secs(5)).file(lock);
    let errors = tables.restore(&parts, &policy);
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn looking_at_a_namespace_without_tables_creates_none() {
    scratch(|_| {
        assert_eq!(Tables::capture().unwrap(), Tables::default());
        for family in ["ip", "ip6"] {
            let path = format!("/proc/thread-self/net/{family}_tables_names");
            assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), "");
        }
    });
}

#[test]
fn capture_holds_the_tools_own_words() {
    scratch(|lock| {
        load("iptables-legacy-restore", FILTER, lock);
        load("ip6tables-legacy-restore", NAT, lock);
        let tables = Tables::capture().unwrap();
        assert_eq!(tables.v4["filter"], FILTER);
        assert_eq!(tables.v6["nat"], NAT);
        assert_eq!((tables.v4.len(), tables.v6.len()), (1, 1));
    });
}

#[test]
fn damage_is_undone_with_counters() {
    scratch(|lock| {
        load("iptables-legacy-restore", FILTER, lock);
        load("ip6tables-legacy-restore", FILTER, lock);
        let checkpoint = Tables::capture().unwrap();
        for tool in ["iptables-legacy", "ip6tables-legacy"] {
            run(tool, &["-P", "INPUT", "ACCEPT"], lock);
            run(tool, &["-F"], lock);
            run(tool, &["-X"], lock);
        }
        let damaged = Tables::capture().unwrap();
        assert_eq!(
            checkpoint.differing(&damaged, false),
            [
                (Family::V4, "filter".to_owned()),
                (Family::V6, "filter".to_owned())
            ]
        );
        let lines = checkpoint.describe_difference(&damaged, false);
        let policy = "iptables-legacy table filter: policy of INPUT is ACCEPT, was DROP";
        assert_eq!(lines[0], policy, "{lines:?}");
        assert!(
            lines.contains(&"ip6tables-legacy table filter: 0 rules added, 3 removed".to_owned())
        );
        restore(&checkpoint, lock);
        assert_eq!(Tables::capture().unwrap(), checkpoint);
    });
}

#[test]
fn a_table_that_was_absent_becomes_pristine() {
    scratch(|lock| {
        let checkpoint = Tables::capture().unwrap();
        load("iptables-legacy-restore", FILTER, lock);
        load("iptables-legacy-restore", NAT, lock);
        let names: Vec<_> = checkpoint.differing(&Tables::capture().unwrap(), false);
        assert_eq!(names.len(), 2);
        restore(&checkpoint, lock);
        let after = Tables::capture().unwrap();
        assert!(after.v4.values().all(|text| is_pristine(text)));
        assert_eq!(after.v4.len(), 2);
        assert!(checkpoint.differing(&after, true).is_empty());
        assert!(checkpoint.describe_difference(&after, true).is_empty());
    });
}

#[test]
fn one_bad_table_does_not_stop_the_others() {
    scratch(|lock| {
        let mut tables = Tables::default();
        let bad = NAT.replace("REDIRECT", "NO_SUCH_TARGET");
        tables.v4.insert("nat".to_owned(), bad);
        tables.v4.insert("filter".to_owned(), FILTER.to_owned());
        let parts = [
            (Family::V4, "nat".to_owned()),
            (Family::V4, "filter".to_owned()),
        ];
        let errors = tables.restore(&parts, &Lock::wait(Duration::from_secs(5)).file(lock));
        assert_eq!(errors.len(), 1);
        let text = errors[0].to_string();
        assert!(
            text.contains("`nat`") && text.contains("NO_SUCH_TARGET"),
            "{text}"
        );
        assert_eq!(Tables::capture().unwrap().v4["filter"], FILTER);
    });
}

#[test]
fn a_stuck_holder_of_the_lock_does_not_stop_a_rollback() {
    scratch(|lock| {
        load("iptables-legacy-restore", FILTER, lock);
        load("ip6tables-legacy-restore", FILTER, lock);
        let checkpoint = Tables::capture().unwrap();
        run("iptables-legacy", &["-F"], lock);
        run("ip6tables-legacy", &["-F"], lock);
        let holder = File::open(lock).unwrap();
        holder.lock().unwrap();
        let parts = checkpoint.differing(&Tables::capture().unwrap(), false);
        assert_eq!(parts.len(), 2);

        let errors = checkpoint.restore(&parts, &Lock::wait(Duration::from_secs(1)).file(lock));
        assert_eq!(errors.len(), 2);
        assert!(matches!(errors[0], Error::Locked { .. }), "{errors:?}");

        let policy = Lock::bypass_after(Duration::from_secs(1)).file(lock);
        let errors = checkpoint.restore(&parts, &policy);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(Tables::capture().unwrap(), checkpoint);
        holder.unlock().unwrap();
    });
}

#[test]
fn a_tool_that_hangs_is_killed_at_the_deadline() {
    scratch(|lock| {
        load("iptables-legacy-restore", FILTER, lock);
        let checkpoint = Tables::capture().unwrap();
        run("iptables-legacy", &["-F"], lock);
        let holder = File::open(lock).unwrap();
        holder.lock().unwrap();
        let parts = checkpoint.differing(&Tables::capture().unwrap(), false);
        let policy = Lock::wait(Duration::from_secs(60))
            .file(lock)
            .deadline(Duration::from_secs(1));
        let errors = checkpoint.restore(&parts, &policy);
        assert!(
            matches!(
                errors[..],
                [Error::Tool {
                    source: exec::Error::Deadline { seconds: 1, .. },
                    ..
                }]
            ),
            "{errors:?}"
        );
        holder.unlock().unwrap();
    });
}

#[test]
fn a_lock_file_that_cannot_be_opened_does_not_stop_a_rollback() {
    scratch(|lock| {
        load("iptables-legacy-restore", FILTER, lock);
        let checkpoint = Tables::capture().unwrap();
        run("iptables-legacy", &["-F"], lock);
        let parts = checkpoint.differing(&Tables::capture().unwrap(), false);
        let nowhere = lock.with_file_name("missing").join("lock");
        let policy = Lock::bypass_after(Duration::from_secs(1)).file(nowhere);
        assert!(checkpoint.restore(&parts, &policy).is_empty());
        assert_eq!(Tables::capture().unwrap(), checkpoint);
    });
}

#[test]
fn corpus_files_survive_destruction() {
    let Some(corpus) = std::env::var_os("SAFE_APPLY_CORPUS") else {
        println!("SAFE_APPLY_CORPUS is not set: the rule files found in the wild were not tried");
        return;
    };
    let mut survived = 0;
    for entry in std::fs::read_dir(Path::new(&corpus).join("iptables")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        scratch(|lock| {
            let restore_tool = Run::tool("iptables-legacy-restore").unwrap();
            let loaded = restore_tool.args(["-c"]).stdin(text).env(LOCKFILE, lock);
            if !loaded.output().unwrap().status.success() {
                return;
            }
            let checkpoint = Tables::capture().unwrap();
            for table in checkpoint.v4.keys() {
                run("iptables-legacy", &["-t", table, "-F"], lock);
                run("iptables-legacy", &["-t", table, "-X"], lock);
                run(
                    "iptables-legacy",
                    &["-t", table, "-A", "OUTPUT", "-j", "RETURN"],
                    lock,
                );
            }
            restore(&checkpoint, lock);
            assert_eq!(Tables::capture().unwrap(), checkpoint, "{}", path.display());
            survived += 1;
        });
    }
    println!("{survived} files survived");
    assert!(survived > 0);
}

#[test]
fn comments_need_not_be_utf8() {
    scratch(|lock| {
        let text = b"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment gr\xfcn\nCOMMIT\n";
        load("iptables-legacy-restore", text.as_slice(), lock);
        let checkpoint = Tables::capture().unwrap();
        run("iptables-legacy", &["-F"], lock);
        restore(&checkpoint, lock);
        let save = Run::tool("iptables-legacy-save").unwrap();
        let printed = save.args(["-t", "filter"]).success().unwrap();
        assert!(printed.windows(4).any(|bytes| bytes == b"gr\xfcn"));
    });
}
