//! nf_tables while others commit all the time: a rollback comes through.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking and tells by printing"
)]

mod nftables_support;

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nftables_support::{in_scratch, listing, nft};
use rustix::net::netlink::NETFILTER;
use safe_apply::checkpoint::{Direction, Look, Part, Snapshot, bring};
use safe_apply::legacy::Lock;
use safe_apply::netlink::{Builder, Socket};
use safe_apply::nftables::{Compare, Ruleset, TableId};

const RULES: usize = 20_000;
/// Writers stop by themselves after this.
const WRITERS_MAX: Duration = Duration::from_secs(120);
/// Rules of each writer that stay; further ones replace one another.
const STAYING: usize = 100;

fn id(name: &str) -> TableId {
    TableId {
        family: 2,
        name: name.to_owned(),
    }
}

/// Table `a` with as many rules; a base chain that drops, and one that holds the rules.
fn script(rules: usize, network: u8) -> String {
    let mut script = String::from(
        "table ip a {\nchain c { }\nchain input {\ntype filter hook input priority 0; policy drop;\n",
    );
    for number in 0..rules {
        let (high, low) = (number / 256, number % 256);
        writeln!(script, "ip saddr {network}.0.{high}.{low} counter accept").unwrap();
    }
    script + "}\n}\n"
}

/// One transaction that adds an empty rule to a chain of a table of family ip, after
/// emptying the chain where `anew`.
fn commit(socket: &mut Socket, table: &str, chain: &str, anew: bool) {
    const NEWRULE: u16 = 10 << 8 | 6;
    const DELRULE: u16 = 10 << 8 | 8;
    let mut out = Builder::new();
    let mut message = |kind, flags: u16, header: &[u8], named: bool| {
        let sequence = socket.next_sequence();
        out.begin(kind, 1 | flags, sequence, header);
        if named {
            out.put_text(1, table);
            out.put_text(2, chain);
        }
        out.end();
    };
    message(0x10, 0, &[0, 0, 0, 10], false);
    if anew {
        message(DELRULE, 0, &[2, 0, 0, 0], true);
    }
    message(NEWRULE, 0xc00, &[2, 0, 0, 0], true);
    message(0x11, 0, &[0, 0, 0, 10], false);
    socket.send(out.as_bytes()).unwrap();
}

/// Runs `work` while two writers commit to chains (table, chain) as fast as they can.
fn amid_commits(chains: [(&str, &str); 2], work: impl FnOnce()) -> usize {
    let (stop, commits) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (table, chain) in chains {
            let (stop, commits) = (&stop, &commits);
            scope.spawn(move || {
                let start = Instant::now();
                let mut socket = Socket::open(NETFILTER).unwrap();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) || start.elapsed() > WRITERS_MAX {
                        break;
                    }
                    let (chain, anew) = if number < STAYING {
                        (chain.to_owned(), false)
                    } else {
                        (format!("{chain}-anew"), true)
                    };
                    commit(&mut socket, table, &chain, anew);
                    commits.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // A panic must not leave the writers running.
        let result = catch_unwind(AssertUnwindSafe(|| {
            while commits.load(Ordering::Relaxed) < 10 * STAYING {
                thread::yield_now();
            }
            work();
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            resume_unwind(panic);
        }
    });
    commits.into_inner()
}

fn roll_back(checkpoint: &Snapshot, parts: &[Part]) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let lock = Lock::wait(Duration::from_secs(5)).file(directory.path().join("lock").as_path());
    let direction = Direction::Rollback { lock: &lock };
    bring(checkpoint, parts, &direction).map_err(|failures| format!("{failures:?}"))
}

#[test]
fn commits_to_another_table_do_not_stop_a_rollback() {
    in_scratch(|| {
        nft(&script(RULES, 10));
        nft("table ip b { chain one { }; chain one-anew { }; chain two { }; chain two-anew { }; }");
        let checkpoint = Snapshot::capture().unwrap();
        nft("delete table ip a");
        nft(&script(RULES, 11));
        let touched = [Part::Nft(id("a"))];
        let commits = amid_commits([("b", "one"), ("b", "two")], || {
            let look = Ruleset::look(Duration::ZERO).unwrap();
            assert_eq!(look.unsettled, [id("b")], "the writers write");
            let start = Instant::now();
            roll_back(&checkpoint, &touched).unwrap();
            println!("the rollback took {:?}", start.elapsed());
            let look = Look::at(&checkpoint, &touched).unwrap();
            assert_eq!(look.differing(&checkpoint, &touched), []);
        });
        println!("{commits} commits of others meanwhile");
        let now = Ruleset::capture().unwrap();
        let differing = checkpoint.nft.differing(&now, Compare::Exact);
        assert_eq!(differing, [id("b")]);
        for chain in &now.table(&id("b")).unwrap().chains {
            let rules = if chain.name.ends_with("anew") {
                1
            } else {
                STAYING
            };
            assert_eq!(chain.rules.len(), rules, "chain {}", chain.name);
        }
        assert!(!listing().contains("safe-apply"));
    });
}

#[test]
fn commits_to_the_table_itself_do_not_stop_a_rollback() {
    in_scratch(|| {
        nft(&script(RULES, 10));
        nft("table ip a { chain one { }; chain one-anew { }; chain two { }; chain two-anew { }; }");
        let checkpoint = Snapshot::capture().unwrap();
        nft("table ip a { chain foreign { type filter hook input priority 5; policy drop; }; }");
        nft("flush chain ip a input");
        let touched = [Part::Nft(id("a"))];
        let commits = amid_commits([("a", "one"), ("a", "two")], || {
            let start = Instant::now();
            roll_back(&checkpoint, &touched).unwrap();
            println!("the rollback took {:?}", start.elapsed());
            // What others do to the table is told, and the rest is as it was.
            let look = Look::at(&checkpoint, &touched).unwrap();
            assert_eq!(look.differing(&checkpoint, &touched), touched);
            assert!(!look.describe(&checkpoint, &touched).is_empty());
            assert_eq!(look.drift(&checkpoint, &touched).parts, touched);
            let seen = look.live.nft.table(&id("a")).unwrap();
            let chain = |name| seen.chains.iter().find(|chain| chain.name == name);
            let input = chain("input").unwrap();
            assert!(input.rules.len() == RULES && input.drops());
            assert!(chain("foreign").is_none());
        });
        println!("{commits} commits of others meanwhile");
        roll_back(&checkpoint, &touched).unwrap();
        let now = Ruleset::capture().unwrap();
        assert!(checkpoint.nft.differing(&now, Compare::Exact).is_empty());
        assert!(!listing().contains("safe-apply"));
    });
}
