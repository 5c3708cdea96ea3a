//! From captured attributes to the messages that make the kernel create the same again.

use std::collections::HashMap;

use super::batch::Batch;
use super::compat;
use super::elements;
use super::expressions;
use super::kernel::{LIST_ELEM, chain, flag, flowtable, message, object, rule, set, table};
use super::model::{Chain, Flowtable, Object, Rule, Set, Table, TableId};
use super::rewrite::{
    Owned, OwnedSet, copy_but, immediate_chain, owned_one, put_expression, put_list, put_one,
    put_quota,
};
use crate::netlink::{Attributes, Builder, find};

/// What the kernel notes as the size of a set that a rule may fill without limit (`nft_dynset.c`).
const INVENTED_SIZE: u32 = 0xffff;

/// Where a rule goes in its chain.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// After the last rule.
    End,
    /// Before the rule with this handle.
    Before(u64),
}

/// How a message names a chain: chains bound to a rule have no name before they exist.
#[derive(Debug, Clone, Copy)]
pub enum ChainRef<'a> {
    /// By name.
    Name(&'a str),
    /// By a number inside the transaction.
    Id(u32),
}

/// A table to take rules, sets and the like from.
#[derive(Debug)]
pub struct Source<'a> {
    id: &'a TableId,
    anonymous: HashMap<&'a [u8], &'a Set>,
    bound: HashMap<&'a [u8], &'a Chain>,
    /// Sets that rules fill although they were not made for it (no `NFT_SET_EVAL`).
    filled: Vec<Vec<u8>>,
}

impl<'a> Source<'a> {
    /// Prepares to take from `table`.
    pub fn new(table: &'a Table) -> Self {
        let anonymous = table.sets.iter().filter(|set| set.is_anonymous());
        let bound = table.chains.iter().filter(|chain| chain.is_bound());
        let mut source = Self {
            id: &table.id,
            anonymous: anonymous.map(|set| (set.name.as_bytes(), set)).collect(),
            bound: bound.map(|chain| (chain.name.as_bytes(), chain)).collect(),
            filled: Vec::new(),
        };
        if table.named_sets().any(has_invented_size) {
            let rules = table.chains.iter().flat_map(|chain| &chain.rules);
            for one in rules.flat_map(expressions::of_rule) {
                if one.name == b"dynset" {
                    let names = one.attributes().filter_map(|attribute| {
                        expressions::set_reference(one.name, &attribute).map(<[u8]>::to_vec)
                    });
                    source.filled.extend(names);
                }
            }
        }
        source
    }

    /// The table.
    pub const fn id(&self) -> &TableId {
        self.id
    }

    /// Creates the table itself.
    pub fn put_table(&self, batch: &mut Batch, one: &Table) {
        batch.add(message::NEWTABLE, flag::CREATE, self.id, |out| {
            out.put_text(table::NAME, &self.id.name);
            out.append(&one.attributes);
        });
    }

    /// Creates a chain without rules.
    pub fn put_chain(&self, batch: &mut Batch, one: &Chain, reference: ChainRef<'_>) {
        batch.add(message::NEWCHAIN, flag::CREATE, self.id, |out| {
            out.put_text(chain::TABLE, &self.id.name);
            match reference {
                ChainRef::Name(name) => out.put_text(chain::NAME, name),
                ChainRef::Id(id) => out.put_be32(chain::ID, id),
            }
            out.append(&one.attributes);
            if let Some(policy) = one.policy {
                out.put_be32(chain::POLICY, policy);
            }
            put_policy_count(out, one);
        });
    }

    /// Changes policy and counters of a chain that exists.
    pub fn update_chain(&self, batch: &mut Batch, one: &Chain, policy: bool, counters: bool) {
        batch.add(message::NEWCHAIN, 0, self.id, |out| {
            out.put_text(chain::TABLE, &self.id.name);
            out.put_text(chain::NAME, &one.name);
            if let Some(value) = one.policy.filter(|_| policy) {
                out.put_be32(chain::POLICY, value);
            }
            if counters {
                put_policy_count(out, one);
            }
        });
    }

    /// Creates a stateful object.
    pub fn put_object(&self, batch: &mut Batch, one: &Object) {
        batch.add(message::NEWOBJ, flag::CREATE, self.id, |out| {
            out.put_text(object::TABLE, &self.id.name);
            out.put_text(object::NAME, &one.name);
            for attribute in Attributes::new(&one.attributes) {
                if one.kind == object::QUOTA && attribute.kind() == object::DATA {
                    out.nest(object::DATA, |out| put_quota(attribute.payload, out));
                } else {
                    out.put(attribute.raw_kind, attribute.payload);
                }
            }
        });
    }

    /// Creates a flowtable.
    pub fn put_flowtable(&self, batch: &mut Batch, one: &Flowtable) {
        batch.add(message::NEWFLOWTABLE, flag::CREATE, self.id, |out| {
            out.put_text(flowtable::TABLE, &self.id.name);
            out.put_text(flowtable::NAME, &one.name);
            out.append(&one.attributes);
        });
    }

    /// Creates a named set with its elements.
    pub fn put_set(&self, batch: &mut Batch, one: &Set) {
        let id = batch.fresh_id();
        self.put_set_as(batch, one, &one.name, id);
    }

    fn put_set_as(&self, batch: &mut Batch, one: &Set, name: &str, id: u32) {
        // The size the kernel invented would select a backend that rules cannot fill.
        let drop_size =
            has_invented_size(one) && self.filled.iter().any(|filled| filled == name.as_bytes());
        batch.add(message::NEWSET, flag::CREATE, self.id, |out| {
            out.put_text(set::TABLE, &self.id.name);
            out.put_text(set::NAME, name);
            out.put_be32(set::ID, id);
            for attribute in Attributes::new(&one.attributes) {
                match attribute.kind() {
                    set::EXPR => put_expression(attribute.kind(), attribute.payload, out),
                    set::EXPRESSIONS => put_list(set::EXPRESSIONS, attribute.payload, out),
                    set::DESC if drop_size => out.nest(set::DESC, |out| {
                        copy_but(attribute.nested(), &[set::DESC_SIZE], out);
                    }),
                    _ => out.put(attribute.raw_kind, attribute.payload),
                }
            }
        });
        elements::add(batch, self.id, name, Some(id), one);
    }

    /// Creates a rule, with the anonymous sets and bound chains that it owns.
    pub fn put_rule(&self, batch: &mut Batch, to: ChainRef<'_>, one: &Rule, place: Place) {
        let owned = self.put_owned(batch, one);
        let flags = match place {
            Place::End => flag::CREATE | flag::APPEND,
            Place::Before(_) => flag::CREATE,
        };
        batch.add(message::NEWRULE, flags, self.id, |out| {
            out.put_text(rule::TABLE, &self.id.name);
            match to {
                ChainRef::Name(name) => out.put_text(rule::CHAIN, name),
                ChainRef::Id(id) => out.put_be32(rule::CHAIN_ID, id),
            }
            if let Place::Before(handle) = place {
                out.put_be64(rule::POSITION, handle);
            }
            for attribute in Attributes::new(&one.attributes) {
                if attribute.kind() == rule::EXPRESSIONS {
                    out.nest(rule::EXPRESSIONS, |out| {
                        for one in expressions::list(attribute.payload) {
                            put_one(LIST_ELEM, &one, &owned, out);
                        }
                    });
                } else {
                    out.put(attribute.raw_kind, attribute.payload);
                }
            }
            // Rebuilt: the kernel does not dump it.
            let protocol = compat::protocol(self.id.family, expressions::of_rule(one));
            if let Some((protocol, flags)) = protocol {
                out.nest(rule::COMPAT, |out| {
                    out.put_be32(rule::COMPAT_PROTO, protocol);
                    out.put_be32(rule::COMPAT_FLAGS, flags);
                });
            }
        });
    }

    /// Creates what the rule owns, under numbers: the kernel takes no rules into
    /// a bound chain once a rule jumps to it.
    fn put_owned(&self, batch: &mut Batch, one: &Rule) -> Owned<'a> {
        let mut owned = Owned::default();
        if self.anonymous.is_empty() && self.bound.is_empty() {
            return owned;
        }
        for one in expressions::of_rule(one) {
            for attribute in one.attributes() {
                let set = expressions::set_reference(one.name, &attribute);
                if let Some((name, set)) = set.and_then(|name| self.anonymous.get_key_value(name))
                    && owned_one(&owned.sets, name).is_none()
                {
                    let id = batch.fresh_id();
                    let called = set.name_template().unwrap_or(&set.name);
                    self.put_set_as(batch, set, called, id);
                    owned.sets.push((name, OwnedSet { name: called, id }));
                }
                let chain = immediate_chain(&one, &attribute);
                if let Some((name, chain)) = chain.and_then(|name| self.bound.get_key_value(name)) {
                    let id = batch.fresh_id();
                    self.put_chain(batch, chain, ChainRef::Id(id));
                    for inner in &chain.rules {
                        self.put_rule(batch, ChainRef::Id(id), inner, Place::End);
                    }
                    owned.chains.push((name, id));
                }
            }
        }
        owned
    }
}

fn has_invented_size(one: &Set) -> bool {
    let desc = find(&one.attributes, set::DESC);
    let size = desc.and_then(|desc| find(desc.payload, set::DESC_SIZE));
    one.flags() & set::EVAL == 0 && size.and_then(|size| size.be32()) == Some(INVENTED_SIZE)
}

fn put_policy_count(out: &mut Builder, one: &Chain) {
    if !one.counters.is_empty() {
        out.nest(chain::COUNTERS, |out| out.append(&one.counters));
    }
}
