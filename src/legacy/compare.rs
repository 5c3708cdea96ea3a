//! What `iptables-save` text says, counters and comments apart.

use std::collections::BTreeMap;

use super::Family;

/// Whether `text`, one table in `iptables-save` format, holds nothing but
/// built-in chains with policy ACCEPT. Counters do not matter.
#[must_use]
pub fn is_pristine(text: &str) -> bool {
    text.lines().all(|line| match line.strip_prefix(':') {
        Some(chain) => chain.split(' ').nth(1) == Some("ACCEPT"),
        None => line.is_empty() || line.starts_with(['*', '#']) || line == "COMMIT",
    })
}

/// The text without the lines that hold the time at which it was printed.
pub(super) fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// A line without `[packets:bytes]`: in front of a rule, at the end of a chain.
fn without_counters(line: &str) -> &str {
    if line.starts_with(':') {
        return line.rsplit_once(" [").map_or(line, |(chain, _)| chain);
    }
    match line.strip_prefix('[') {
        Some(rest) => rest.split_once("] ").map_or(line, |(_, rule)| rule),
        None => line,
    }
}

/// Whether two states of one table are equal; absent and pristine are.
pub(super) fn equal(one: Option<&String>, other: Option<&String>, counters: bool) -> bool {
    match (one, other) {
        (Some(one), Some(other)) if counters => one == other,
        (Some(one), Some(other)) => one
            .lines()
            .map(without_counters)
            .eq(other.lines().map(without_counters)),
        (Some(only), None) | (None, Some(only)) => is_pristine(only),
        (None, None) => true,
    }
}

/// The same table with every rule and user-defined chain gone and ACCEPT for
/// policy. `None` when `text` names no built-in chain.
pub(super) fn reset(table: &str, text: &str) -> Option<String> {
    let mut chains = String::new();
    for line in text.lines() {
        let mut words = line.strip_prefix(':').unwrap_or_default().split(' ');
        if let (Some(chain), Some(policy)) = (words.next(), words.next())
            && policy != "-"
        {
            chains.push_str(&format!(":{chain} ACCEPT [0:0]\n"));
        }
    }
    (!chains.is_empty()).then(|| format!("*{table}\n{chains}COMMIT\n"))
}

/// In a few lines: what changed in one table on the way from `before` to `after`.
pub(super) fn describe(
    family: Family,
    table: &str,
    before: Option<&String>,
    after: Option<&String>,
) -> Vec<String> {
    let (old, new) = (Content::of(before), Content::of(after));
    let at = format!("{family} table {table}");
    let mut lines = Vec::new();
    if before.is_none() {
        lines.push(format!("{at}: is new"));
    } else if after.is_none() {
        lines.push(format!("{at}: is gone"));
    }
    for (chain, policy) in &new.chains {
        match (old.chains.get(chain), *policy) {
            (None, "-") => lines.push(format!("{at}: chain {chain} is new")),
            (None, "ACCEPT") => {}
            (None, _) => lines.push(format!("{at}: policy of {chain} is {policy}")),
            (Some(was), _) if was != policy => {
                lines.push(format!("{at}: policy of {chain} is {policy}, was {was}"))
            }
            (Some(_), _) => {}
        }
    }
    for (chain, policy) in &old.chains {
        if !new.chains.contains_key(chain) && (*policy == "-" || *policy == "DROP") {
            lines.push(format!("{at}: chain {chain} is gone"));
        }
    }
    let (added, removed) = (
        surplus(&new.rules, &old.rules),
        surplus(&old.rules, &new.rules),
    );
    if added + removed > 0 {
        let rules = if added == 1 { "rule" } else { "rules" };
        lines.push(format!("{at}: {added} {rules} added, {removed} removed"));
    } else if old.rules != new.rules {
        lines.push(format!("{at}: the rules are in another order"));
    }
    if lines.is_empty() && !equal(before, after, true) {
        lines.push(format!("{at}: counters differ"));
    }
    lines
}

#[derive(Default)]
struct Content<'a> {
    chains: BTreeMap<&'a str, &'a str>,
    rules: Vec<&'a str>,
}

impl<'a> Content<'a> {
    fn of(text: Option<&'a String>) -> Self {
        let mut content = Self::default();
        for line in text.map_or("", String::as_str).lines() {
            let line = without_counters(line);
            if let Some((chain, policy)) = line.strip_prefix(':').and_then(|c| c.split_once(' ')) {
                content.chains.insert(chain, policy);
            } else if line.starts_with('-') {
                content.rules.push(line);
            }
        }
        content
    }
}

/// How many of `rules` are not matched by an equal one in `others`.
fn surplus(rules: &[&str], others: &[&str]) -> usize {
    let mut left = BTreeMap::<&str, usize>::new();
    for other in others {
        *left.entry(other).or_default() += 1;
    }
    let mut surplus = 0;
    for rule in rules {
        match left.get_mut(rule) {
            Some(count) if *count > 0 => *count -= 1,
            _ => surplus += 1,
        }
    }
    surplus
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAT: &str =
        "*nat\n:PREROUTING ACCEPT [1:2]\n:MINE - [0:0]\n[3:4] -A PREROUTING -j MINE\nCOMMIT\n";

    #[test]
    fn only_builtin_chains_on_accept_are_pristine() {
        assert!(is_pristine("*nat\n:PREROUTING ACCEPT [12:34]\nCOMMIT\n"));
        assert!(!is_pristine("*filter\n:INPUT DROP [0:0]\nCOMMIT\n"));
        assert!(!is_pristine("*nat\n:MINE - [0:0]\nCOMMIT\n"));
        assert!(!is_pristine(NAT));
    }

    #[test]
    fn reset_keeps_builtin_chains_only() {
        let reset = reset("nat", NAT).unwrap();
        assert_eq!(reset, "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n");
        assert!(is_pristine(&reset));
        assert!(super::reset("nat", "*nat\nCOMMIT\n").is_none());
    }

    #[test]
    fn counters_are_compared_only_where_asked() {
        let one = NAT.to_owned();
        let other = NAT.replace("[3:4]", "[5:6]").replace("[1:2]", "[7:8]");
        assert!(equal(Some(&one), Some(&other), false));
        assert!(!equal(Some(&one), Some(&other), true));
        let bracket = one.replace("-j MINE", "-m comment --comment \"] x [\" -j MINE");
        assert!(!equal(Some(&one), Some(&bracket), false));
    }

    #[test]
    fn differences_are_counted() {
        let before = "*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -j ACCEPT\n[0:0] -A INPUT -j ACCEPT\nCOMMIT\n".to_owned();
        let after = "*filter\n:INPUT DROP [0:0]\n[0:0] -A INPUT -j ACCEPT\nCOMMIT\n".to_owned();
        let lines = describe(Family::V4, "filter", Some(&before), Some(&after));
        assert_eq!(
            lines,
            [
                "iptables-legacy table filter: policy of INPUT is DROP, was ACCEPT",
                "iptables-legacy table filter: 0 rules added, 1 removed",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_dealt_with(one in "[*:# A-Z\\[\\]0-9\n-]{0,80}", other in "[:A \n\\[\\]-]{0,80}") {
            for counters in [false, true] {
                prop_assert!(equal(Some(&one), Some(&one), counters));
                let differ = !equal(Some(&one), Some(&other), counters);
                let lines = describe(Family::V4, "x", Some(&one), Some(&other));
                prop_assert!(lines.is_empty() || differ || !counters);
            }
            if let Some(reset) = reset("x", &one) {
                prop_assert!(is_pristine(&reset));
            }
        }
    }
}
