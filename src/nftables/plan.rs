//! Which messages make one table another.

use super::batch::Batch;
use super::bring::Level;
use super::guard::{self, Guard};
use super::keep::Kept;
use super::kernel::{chain, flowtable, message, object, rule, set, table};
use super::model::{Chain, Object, Table, TableId};
use super::plan_elements::ElementChange;
use super::plan_rules::RuleChange;
use super::wire::{ChainRef, Place, Source};
use crate::netlink::find;

/// `NFT_CHAIN_HW_OFFLOAD`: such a chain takes only rules that the device can carry out.
const OFFLOAD: u32 = 2;

/// Deletes a table with all it holds.
pub fn delete(batch: &mut Batch, id: &TableId) {
    batch.add(message::DELTABLE, 0, id, |out| {
        out.put_text(table::NAME, &id.name);
    });
}

/// Creates a table with all it holds.
pub fn create(batch: &mut Batch, target: &Table, guards: &mut Vec<Guard>) {
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
            guard_end(batch, &target.id, one, guards);
        }
    }
}

fn guard_end(batch: &mut Batch, id: &TableId, one: &Chain, guards: &mut Vec<Guard>) {
    let flags = find(&one.attributes, chain::FLAGS).and_then(|flags| flags.be32());
    if flags.is_none_or(|flags| flags & OFFLOAD == 0) {
        guards.push(guard::put(batch, id, &one.name));
    }
}

/// Makes `live` what `target` is.
pub fn change(
    batch: &mut Batch,
    live: &Table,
    target: &Table,
    level: Level,
    guards: &mut Vec<Guard>,
) {
    if level == Level::Recreate || live.attributes != target.attributes {
        delete(batch, &live.id);
        return create(batch, target, guards);
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
            Some(present) => update(batch, &new, present, one),
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
            guard_end(batch, &live.id, one, guards);
        }
    }
}

/// Policy and counters of a chain that stays.
fn update(batch: &mut Batch, source: &Source<'_>, present: &Chain, wanted: &Chain) {
    let policy = present.policy != wanted.policy;
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
