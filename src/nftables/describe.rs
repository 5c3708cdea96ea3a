//! Differences and messages in words.

use std::time::Duration;

use super::compare::{Compare, Pair};
use super::diff;
use super::kernel::{chain, element, flowtable, message, object, rule, set, table};
use super::model::{Chain, Ruleset, Table, TableId};
use crate::netlink::{Message, find};

impl Ruleset {
    /// How table `id` of `other` differs from that of `self`, in short lines;
    /// empty when it does not. Counters are not looked at.
    #[must_use]
    pub fn describe_difference(&self, other: &Self, id: &TableId) -> Vec<String> {
        self.describe_difference_after(other, id, Compare::Rules, Duration::ZERO)
    }

    /// The same, with what does not count as in [`Ruleset::differing_after`].
    #[must_use]
    pub fn describe_difference_after(
        &self,
        other: &Self,
        id: &TableId,
        how: Compare,
        elapsed: Duration,
    ) -> Vec<String> {
        match (self.table(id), other.table(id)) {
            (None, None) => Vec::new(),
            (None, Some(_)) => vec![format!("table {id}: appeared")],
            (Some(_), None) => vec![format!("table {id}: disappeared")],
            (Some(one), Some(two)) => inside(one, two, how, elapsed),
        }
    }
}

fn inside(one: &Table, two: &Table, how: Compare, elapsed: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    if one.attributes != two.attributes {
        lines.push("flags or comment differ".to_owned());
    }
    let mut pair = Pair::new(one, two, how).after(elapsed);
    let (old, new): (Vec<_>, Vec<_>) = (one.named_chains().collect(), two.named_chains().collect());
    for (a, b) in common("chain", &old, &new, |chain| &chain.name, &mut lines) {
        chain_lines(&mut pair, a, b, &mut lines);
    }
    let (old, new): (Vec<_>, Vec<_>) = (one.named_sets().collect(), two.named_sets().collect());
    for (a, b) in common("set", &old, &new, |set| &set.name, &mut lines) {
        if !pair.headers(a, b) {
            lines.push(format!("set {}: type or flags differ", a.name));
        }
        if !pair.elements(a, b) {
            lines.push(format!("set {}: elements differ", a.name));
        }
    }
    let (old, new): (Vec<_>, Vec<_>) = (one.objects.iter().collect(), two.objects.iter().collect());
    for (a, b) in common("object", &old, &new, |object| &object.name, &mut lines) {
        if !pair.objects(a, b) {
            lines.push(format!("object {}: differs", a.name));
        }
    }
    let (old, new): (Vec<_>, Vec<_>) = (
        one.flowtables.iter().collect(),
        two.flowtables.iter().collect(),
    );
    for (a, b) in common(
        "flowtable",
        &old,
        &new,
        |flowtable| &flowtable.name,
        &mut lines,
    ) {
        if !pair.flowtables(a, b) {
            lines.push(format!("flowtable {}: differs", a.name));
        }
    }
    if lines.is_empty() && !pair.equal() {
        lines.push("the order of its chains, sets or objects differs".to_owned());
    }
    lines
}

fn chain_lines(pair: &mut Pair<'_>, a: &Chain, b: &Chain, lines: &mut Vec<String>) {
    let name = &a.name;
    if a.policy != b.policy {
        lines.push(format!("chain {name}: policy differs"));
    }
    if a.attributes != b.attributes {
        lines.push(format!("chain {name}: type, hook or priority differ"));
    }
    let (old, new) = pair.rule_forms(a, b);
    if old != new {
        let kept = diff::kept(&old, &new).len();
        let (added, removed) = (new.len() - kept, old.len() - kept);
        let noun = if added == 1 { "rule" } else { "rules" };
        lines.push(format!(
            "chain {name}: {added} {noun} added, {removed} removed"
        ));
    }
}

/// What both have, by name; a line for what only one has.
fn common<'a, T>(
    noun: &str,
    old: &[&'a T],
    new: &[&'a T],
    name: impl Fn(&T) -> &String,
    lines: &mut Vec<String>,
) -> Vec<(&'a T, &'a T)> {
    let by_name =
        |list: &[&'a T], wanted: &String| list.iter().find(|one| name(one) == wanted).copied();
    for one in old {
        if by_name(new, name(one)).is_none() {
            lines.push(format!("{noun} {}: disappeared", name(one)));
        }
    }
    let mut both = Vec::new();
    for two in new {
        match by_name(old, name(two)) {
            Some(one) => both.push((one, *two)),
            None => lines.push(format!("{noun} {}: appeared", name(two))),
        }
    }
    both
}

/// The table that a message of a transaction belongs to, and what it is about.
pub fn message_in_words(sent: &Message<'_>) -> (Option<TableId>, String) {
    let Some((header, attributes)) = sent.payload.split_at_checked(4) else {
        return (None, "the transaction".to_owned());
    };
    let text = |kind| find(attributes, kind).map(|one| one.text());
    let kind = sent.kind & 0xff;
    let (what, name, of) = match kind {
        message::NEWTABLE | message::DELTABLE => ("table", None, text(table::NAME)),
        message::NEWCHAIN | message::DELCHAIN => ("chain", text(chain::NAME), text(chain::TABLE)),
        message::NEWRULE | message::DELRULE => {
            ("a rule in chain", text(rule::CHAIN), text(rule::TABLE))
        }
        message::NEWSET | message::DELSET => ("set", text(set::NAME), text(set::TABLE)),
        message::NEWSETELEM | message::DELSETELEM => (
            "elements of set",
            text(element::LIST_SET),
            text(element::LIST_TABLE),
        ),
        message::NEWOBJ | message::DELOBJ => ("object", text(object::NAME), text(object::TABLE)),
        message::NEWFLOWTABLE | message::DELFLOWTABLE => {
            ("flowtable", text(flowtable::NAME), text(flowtable::TABLE))
        }
        _ => return (None, "the transaction".to_owned()),
    };
    let id = of.map(|name| TableId {
        family: header[0],
        name,
    });
    let of = id.as_ref().map_or_else(String::new, ToString::to_string);
    let words = match (kind, name) {
        (message::NEWTABLE | message::DELTABLE, _) => format!("table {of}"),
        (_, Some(name)) => format!("{what} {name} of table {of}"),
        (_, None) => format!("{what} bound to a rule of table {of}"),
    };
    (id, words)
}
