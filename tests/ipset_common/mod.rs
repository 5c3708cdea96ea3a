//! What the tests of IP sets share.

use safe_apply::exec::Run;
use safe_apply::ipset::{Comparison, Sets};
use safe_apply::netns::NetNs;

/// Runs `work` in a namespace of its own.
pub fn scratch(work: impl FnOnce() + Send) {
    NetNs::scratch().unwrap().enter(work).unwrap();
}

/// Runs a tool, insists on success, returns what it printed. Legacy tools get
/// a lock file that no other test holds.
pub fn tool(name: &str, args: &[&str]) -> String {
    let lock = tempfile::NamedTempFile::new().unwrap();
    let run = Run::tool(name).unwrap().args(args);
    let printed = run.env("XTABLES_LOCKFILE", lock.path()).success();
    String::from_utf8(printed.unwrap()).unwrap()
}

/// Feeds `ipset restore`.
pub fn load(text: impl Into<Vec<u8>>) {
    let run = Run::tool("ipset").unwrap().args(["restore"]);
    run.stdin(text).success().unwrap();
}

/// What `ipset save` prints.
pub fn save() -> String {
    tool("ipset", &["save"])
}

/// Brings the sets to `target`, as around rules that need no change.
pub fn change(target: &Sets) {
    let live = Sets::capture().unwrap();
    let counted = Comparison {
        counters: true,
        ..Comparison::default()
    };
    let names = live.differing(target, counted);
    let prepared = Sets::prepare(&live, target, &names).unwrap();
    assert!(prepared.temporary().is_empty());
    let errors = Sets::settle(&live, target, &names);
    assert!(errors.is_empty(), "{errors:?}");
    let after = Sets::capture().unwrap();
    let differing = target.differing(&after, counted);
    assert!(differing.is_empty(), "{differing:?}");
}
