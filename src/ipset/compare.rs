//! When two sets are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::parse::words;
use super::{Set, Sets};

/// What counts as a difference between an earlier and a later look at the sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Whether packet and byte counts of members count.
    pub counters: bool,
    /// How long after the first look the second one was taken: members that
    /// had no more time than that may be gone.
    pub elapsed: Duration,
}

/// Options of `create` that take a value.
const VALUED: [&str; 11] = [
    "family",
    "hashsize",
    "maxelem",
    "timeout",
    "netmask",
    "bitmask",
    "markmask",
    "bucketsize",
    "initval",
    "range",
    "size",
];
/// A hash grows by itself, and the seed of its function is random.
const INCIDENTAL: [&str; 2] = ["hashsize", "initval"];
/// What the tool and the kernel take for options that are not given.
const HASH_DEFAULTS: [(&str, &str); 3] = [
    ("family", "inet"),
    ("maxelem", "65536"),
    ("bucketsize", "12"),
];

impl Sets {
    /// Names of the sets that are not the same in `later`: missing on one side,
    /// created differently (hash size and seed apart), or with other members.
    /// Order counts in sets of sets only; of a member's remaining time, only
    /// whether there is a limit.
    #[must_use]
    pub fn differing(&self, later: &Self, how: Comparison) -> Vec<String> {
        let names: BTreeSet<&String> = self
            .sets
            .iter()
            .chain(&later.sets)
            .map(|set| &set.name)
            .collect();
        let (old, new) = (self.by_name(), later.by_name());
        names
            .into_iter()
            .filter(|name| match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => !same(old, new, how),
                _ => true,
            })
            .cloned()
            .collect()
    }

    /// Short lines for people: what changed on the way from `self` to `later`.
    #[must_use]
    pub fn describe_difference(&self, later: &Self, how: Comparison) -> Vec<String> {
        self.differing(later, how)
            .into_iter()
            .map(|name| match (self.get(&name), later.get(&name)) {
                (None, Some(set)) => {
                    format!("ipset {name}: is new, {} member(s)", set.members.len())
                }
                (Some(set), None) => {
                    format!("ipset {name}: is gone, had {} member(s)", set.members.len())
                }
                (Some(old), Some(new)) => describe(old, new, how),
                (None, None) => format!("ipset {name}: differs"),
            })
            .collect()
    }

    fn by_name(&self) -> BTreeMap<&String, &Set> {
        self.sets.iter().map(|set| (&set.name, set)).collect()
    }
}

/// Type and options of a set, defaults filled in, incidental ones left out.
fn options(create: &str) -> BTreeMap<&str, &str> {
    let mut words = words(create);
    let kind = words.next().unwrap_or_default();
    let mut options = BTreeMap::from([("type", kind)]);
    if kind.starts_with("hash:") {
        options.extend(HASH_DEFAULTS);
    }
    while let Some(word) = words.next() {
        let value = if VALUED.contains(&word) {
            words.next().unwrap_or_default()
        } else {
            ""
        };
        options.insert(word, value);
    }
    options.retain(|option, _| !INCIDENTAL.contains(option));
    options
}

/// A member as far as it is compared, and how long it has left, in seconds.
fn member(text: &str, how: Comparison) -> (String, Option<u64>) {
    let mut words = words(text);
    let element = words.next().unwrap_or_default();
    let mut kept = vec![];
    let mut left = None;
    while let Some(word) = words.next() {
        match word {
            "timeout" => {
                let seconds = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                left = (seconds > 0).then_some(seconds);
                kept.push(if seconds > 0 { "limited" } else { "unlimited" }.to_owned());
            }
            "packets" | "bytes" if !how.counters => {
                words.next();
            }
            "nomatch" | "wildcard" => kept.push(word.to_owned()),
            option => kept.push(format!("{option} {}", words.next().unwrap_or_default())),
        }
    }
    kept.sort_unstable();
    (format!("{element} {}", kept.join(" ")), left)
}

fn same(old: &Set, new: &Set, how: Comparison) -> bool {
    let (gone, come) = members(old, new, how);
    let ordered = || {
        !old.is_list() || gone.iter().any(|expired| *expired) || {
            let of = |set: &Set| -> Vec<_> {
                set.members.iter().map(|text| member(text, how).0).collect()
            };
            of(old) == of(new)
        }
    };
    options(&old.create) == options(&new.create)
        && gone.iter().all(|expired| *expired)
        && come == 0
        && ordered()
}

/// For each member that is gone, whether its time was up; and how many came.
fn members(old: &Set, new: &Set, how: Comparison) -> (Vec<bool>, usize) {
    let of = |set: &Set| -> BTreeMap<String, Option<u64>> {
        let members = set.members.iter();
        members.map(|text| member(text, how)).collect()
    };
    let (before, after) = (of(old), of(new));
    // What is left is printed in whole seconds, rounded down.
    let passed = how.elapsed.as_secs() + 1;
    let gone = before
        .iter()
        .filter(|(key, _)| !after.contains_key(*key))
        .map(|(_, left)| left.is_some_and(|left| !how.elapsed.is_zero() && left <= passed))
        .collect();
    let come = after.keys().filter(|key| !before.contains_key(*key));
    (gone, come.count())
}

fn describe(old: &Set, new: &Set, how: Comparison) -> String {
    let name = &old.name;
    if options(&old.create) != options(&new.create) {
        return format!("ipset {name}: is `{}`, was `{}`", new.create, old.create);
    }
    let (gone, come) = members(old, new, how);
    let gone = gone.iter().filter(|expired| !**expired).count();
    if gone + come == 0 {
        return format!("ipset {name}: its members are in another order");
    }
    format!("ipset {name}: {come} member(s) added, {gone} removed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipset::parse_save;

    fn differ(one: &str, other: &str, how: Comparison) -> Vec<String> {
        let (one, other) = (parse_save(one).unwrap(), parse_save(other).unwrap());
        let lines = one.describe_difference(&other, how).len();
        let names = one.differing(&other, how);
        assert_eq!(lines, names.len());
        names
    }

    const A: &str = "create a hash:ip family inet hashsize 1024 maxelem 65536 timeout 9 counters bucketsize 12 initval 0x1\nadd a 1.1.1.1 timeout 5 packets 1 bytes 2\nadd a 1.1.1.2 timeout 0 packets 0 bytes 0 comment \"x timeout 3\"\n";

    #[test]
    fn incidental_differences_do_not_count() {
        let other = "create a hash:ip hashsize 4096 timeout 9 counters\nadd a 1.1.1.2 timeout 0 comment \"x timeout 3\" packets 0 bytes 0\nadd a 1.1.1.1 timeout 3 packets 7 bytes 8\n";
        assert!(differ(A, other, Comparison::default()).is_empty());
        let counters = Comparison {
            counters: true,
            ..Comparison::default()
        };
        assert_eq!(differ(A, other, counters), ["a"]);
    }

    #[test]
    fn real_differences_count() {
        let how = Comparison::default();
        for (from, to) in [
            ("timeout 9", "timeout 8"),
            ("hash:ip", "hash:net"),
            ("inet ", "inet6 "),
            ("maxelem 65536", "maxelem 9"),
            ("1.1.1.1", "1.1.1.9"),
            ("timeout 5", "timeout 0"),
            ("\"x timeout 3\"", "\"x timeout 4\""),
            ("bucketsize 12", "bucketsize 4"),
        ] {
            assert_eq!(differ(A, &A.replace(from, to), how), ["a"], "{from}");
        }
        assert_eq!(differ(A, "", how), ["a"]);
        assert_eq!(differ("", A, how), ["a"]);
        let list =
            "create x hash:ip\ncreate y hash:ip\ncreate l list:set size 8\nadd l x\nadd l y\n";
        let turned = list.replace("add l x\nadd l y", "add l y\nadd l x");
        assert_eq!(differ(list, &turned, how), ["l"]);
    }

    #[test]
    fn members_whose_time_was_up_may_be_gone() {
        let later = A.replace("add a 1.1.1.1 timeout 5 packets 1 bytes 2\n", "");
        let after = |seconds| Comparison {
            counters: false,
            elapsed: Duration::from_secs(seconds),
        };
        assert_eq!(differ(A, &later, after(2)), ["a"]);
        assert!(differ(A, &later, after(5)).is_empty());
    }
}
