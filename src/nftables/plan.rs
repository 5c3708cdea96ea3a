//! Which messages make one table another.

use super::batch::Batch;
use super::bring::Level;
use super::keep::Kept;
use super::kernel::{chain, flag, flowtable, message, object, rule, set, table};
use super::model::{Chain, Object, Table, TableId};
use super::plan_elements::ElementChange;
use super::plan_rules::RuleChange;
use super::settle::Settlement;
use super::wire::{ChainRef, Place, Source};

/// Deletes a table with all it holds.
pub fn delete(batch: &mut Batch, id: &TableId) {
    batch.add(message::DELTABLE, 0, id, |out| {
        out.put_text(table::NAME, &id.name);
    });
}

/// Makes sure that there is no such table, whatever is there now.
pub fn clear(batch: &mut Batch, id: &TableId) {
    // Of a table that exists, a message without attributes to set changes nothing.
    batch.add(message::NEWTABLE, flag::CREATE, id, |out| {
        out.put_text(table::NAME, &id.name);
    });
    delete(batch, id);
}

/// Creates a table with all it holds.
pub fn create(batch: &mut Batch, target: &Table, later: &mut Settlement) {
    let source = Source::new(target);
    source.put_table(batch, target);
    for one in target.named_chains() {
        source.put_chain(batch, one, ChainRef::Name(&one.name));
    }
    for one in &target.objects {
        source.put_object(batch, one);
    }
    for one in &target.flowtables {
        source.put_flowtable(batch, one);
    }
    for one in target.named_sets() {
        source.put_set(batch, one);
    }
    for one in target.named_chains() {
        for rule in &one.rules {
            source.put_rule(batch, ChainRef::Name(&one.name), rule, Place::End);
        }
        if one.drops() {
            later.guard(batch, &target.id, one);
        }
    }
}

/// Whether the table itself goes: no message changes its flags and comment.
pub fn is_made_anew(live: &Table, target: &Table, level: Level) -> bool {
    level == Level::Recreate || live.attributes != target.attributes
}

/// Makes `live` what `target` is.
pub fn change(
    batch: &mut Batch,
    live: &Table,
    target: &Table,
    level: Level,
    later: &mut Settlement,
) {
    if is_made_anew(live, target, level) {
        delete(batch, &live.id);
        return create(batch, target, later);
    }
    let kept = Kept::find(live, target, level);
    let rules = RuleChange::all(live, target, &kept, level);
    let elements = ElementChange::all(live, target, &kept);
    let (old, new) = (Source::new(live), Source::new(target));

    for one in &rules {
        one.delete(batch, &live.id);
    }
    for one in &elements {
        one.delete(batch, &live.id);
    }
    delete_members(batch, live, &kept);

    for (one, present) in &kept.chains {
        match present {
            None => new.put_chain(batch, one, ChainRef::Name(&one.name)),
            Some(present) => update(batch, &new, present, one, later),
        }
    }
    for one in target.objects.iter().filter(|one| !kept.has_object(one)) {
        new.put_object(batch, one);
    }
    for one in &target.flowtables {
        if !kept.flowtables.contains(&one.name.as_str()) {
            new.put_flowtable(batch, one);
        }
    }
    for one in target.named_sets() {
        if kept.set(&one.name).is_none() {
            new.put_set(batch, one);
        }
    }
    for one in &elements {
        one.add(batch, &live.id);
    }
    for one in &rules {
        one.create(batch, &old, &new);
    }
    for (one, present) in &kept.chains {
        if one.drops() && present.is_none_or(|present| !present.drops()) {
            later.guard(batch, &live.id, one);
        }
    }
}

/// Policy and counters of a chain that stays.
fn update(
    batch: &mut Batch,
    source: &Source<'_>,
    present: &Chain,
    wanted: &Chain,
    later: &mut Settlement,
) {
    let opens = present.drops() && !wanted.drops();
    if opens {
        later.accept(source.id(), wanted);
    }
    let policy = present.policy != wanted.policy && !opens;
    let counters = super::keep::count_was_reset(present, wanted);
    if policy || counters {
        source.update_chain(batch, wanted, policy, counters);
    }
}

/// Deletes what does not stay: users before what they use.
fn delete_members(batch: &mut Batch, live: &Table, kept: &Kept<'_>) {
    let id = &live.id;
    for one in live
        .named_sets()
        .filter(|one| kept.set(&one.name).is_none())
    {
        batch.add(message::DELSET, 0, id, |out| {
            out.put_text(set::TABLE, &id.name);
            out.put_text(set::NAME, &one.name);
        });
    }
    for one in &live.flowtables {
        if !kept.flowtables.contains(&one.name.as_str()) {
            batch.add(message::DELFLOWTABLE, 0, id, |out| {
                out.put_text(flowtable::TABLE, &id.name);
                out.put_text(flowtable::NAME, &one.name);
            });
        }
    }
    for one in live.objects.iter().filter(|one| !kept.has_object(one)) {
        delete_object(batch, id, one);
    }
    for one in live.named_chains().filter(|one| !kept.has_chain(&one.name)) {
        batch.add(message::DELCHAIN, 0, id, |out| {
            out.put_text(chain::TABLE, &id.name);
            out.put_text(chain::NAME, &one.name);
        });
    }
}

fn delete_object(batch: &mut Batch, id: &TableId, one: &Object) {
    batch.add(message::DELOBJ, 0, id, |out| {
        out.put_text(object::TABLE, &id.name);
        out.put_text(object::NAME, &one.name);
        out.put_be32(object::TYPE, one.kind);
    });
}

/// Deletes all rules of a chain.
pub fn delete_rules(batch: &mut Batch, id: &TableId, name: &str) {
    batch.add(message::DELRULE, 0, id, |out| {
        out.put_text(rule::TABLE, &id.name);
        out.put_text(rule::CHAIN, name);
    });
}

/// Deletes one rule.
pub fn delete_rule(batch: &mut Batch, id: &TableId, name: &str, handle: u64) {
    batch.add(message::DELRULE, 0, id, |out| {
        out.put_text(rule::TABLE, &id.name);
        out.put_text(rule::CHAIN, name);
        out.put_be64(rule::HANDLE, handle);
    });
}
