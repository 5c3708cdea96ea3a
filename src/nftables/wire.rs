//! From captured attributes to the messages that make the kernel create the same again.
//!
//! Dumps are not accepted back as they are; what has to change is said at each place.

use std::collections::HashMap;

use super::batch::Batch;
use super::compat;
use super::elements;
use super::expressions::{self, Expression, bare};
use super::kernel::{
    LIST_ELEM, chain, expression, flag, flowtable, message, object, rule, set, table,
};
use super::model::{Chain, Flowtable, Object, Rule, Set, Table, TableId};
use crate::netlink::{Attribute, Attributes, Builder, find};

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

/// Numbers given to what one rule owns.
#[derive(Debug, Default)]
struct Owned<'a> {
    sets: Vec<(&'a [u8], OwnedSet<'a>)>,
    chains: Vec<(&'a [u8], u32)>,
}

/// What a set is called in the transaction: a template the kernel fills in, and a number.
#[derive(Debug, Clone, Copy)]
struct OwnedSet<'a> {
    name: &'a str,
    id: u32,
}

fn owned_one<T: Copy>(of: &[(&[u8], T)], name: &[u8]) -> Option<T> {
    of.iter()
        .find(|(one, _)| *one == name)
        .map(|(_, what)| *what)
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
                if let Some((name, set)) = set.and_then(|name| self.anonymous.get_key_value(name)) {
                    if owned_one(&owned.sets, name).is_none() {
                        let id = batch.fresh_id();
                        let called = set.name_template().unwrap_or(&set.name);
                        self.put_set_as(batch, set, called, id);
                        owned.sets.push((name, OwnedSet { name: called, id }));
                    }
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

fn immediate_chain<'b>(one: &Expression<'_>, attribute: &Attribute<'b>) -> Option<&'b [u8]> {
    (one.name == b"immediate" && attribute.kind() == expression::IMMEDIATE_DATA)
        .then(|| expressions::verdict_chain(attribute.payload))
        .flatten()
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

fn copy_but(attributes: Attributes<'_>, strip: &[u16], out: &mut Builder) {
    for attribute in attributes {
        if !strip.contains(&attribute.kind()) {
            out.put(attribute.raw_kind, attribute.payload);
        }
    }
}

/// An expression that owns nothing, in attribute `kind`.
pub fn put_expression(kind: u16, payload: &[u8], out: &mut Builder) {
    put_one(kind, &Expression::new(payload), &Owned::default(), out);
}

/// A list of expressions that own nothing, in attribute `kind`.
pub fn put_list(kind: u16, payload: &[u8], out: &mut Builder) {
    out.nest(kind, |out| {
        for one in expressions::list(payload) {
            put_one(LIST_ELEM, &one, &Owned::default(), out);
        }
    });
}

fn put_one(kind: u16, one: &Expression<'_>, owned: &Owned<'_>, out: &mut Builder) {
    expressions::put(out, kind, one, |out| match one.name {
        b"quota" => put_quota(one.data, out),
        b"lookup" => put_reference(one, owned, expression::LOOKUP_SET_ID, out),
        b"objref" => put_reference(one, owned, expression::OBJREF_SET_ID, out),
        b"dynset" => put_dynset(one, owned, out),
        b"immediate" => put_immediate(one, owned, out),
        b"inner" => put_inner(one, out),
        b"osf" => {
            // A zero is refused.
            let is_zero =
                find(one.data, expression::OSF_FLAGS).and_then(|flags| flags.be32()) == Some(0);
            let strip: &[u16] = if is_zero {
                &[expression::OSF_FLAGS]
            } else {
                &[]
            };
            copy_but(one.attributes(), strip, out);
        }
        b"exthdr" => copy_but(one.attributes(), exthdr_refused(one), out),
        _ => out.append(one.data),
    });
}

/// Attributes of `exthdr` that the kernel dumps and refuses: those of a
/// comparison in an expression that writes or removes.
fn exthdr_refused(one: &Expression<'_>) -> &'static [u16] {
    let has = |kind| find(one.data, kind).is_some();
    if has(expression::EXTHDR_DREG) {
        &[]
    } else if has(expression::EXTHDR_SREG) {
        &[expression::EXTHDR_FLAGS]
    } else {
        &[
            expression::EXTHDR_FLAGS,
            expression::EXTHDR_OFFSET,
            expression::EXTHDR_LEN,
        ]
    }
}

/// A quota without the flag "depleted": it follows from what is consumed.
fn put_quota(data: &[u8], out: &mut Builder) {
    for attribute in Attributes::new(data) {
        match attribute.be32() {
            Some(flags) if attribute.kind() == expression::QUOTA_FLAGS => {
                out.put_be32(expression::QUOTA_FLAGS, flags & !expression::QUOTA_DEPLETED);
            }
            _ => out.put(attribute.raw_kind, attribute.payload),
        }
    }
}

/// An anonymous set is found by number: no set can be called like its template.
fn put_reference(one: &Expression<'_>, owned: &Owned<'_>, id_kind: u16, out: &mut Builder) {
    for attribute in one.attributes() {
        put_set_name(one, &attribute, owned, id_kind, out);
    }
}

fn put_set_name(
    one: &Expression<'_>,
    attribute: &Attribute<'_>,
    owned: &Owned<'_>,
    id_kind: u16,
    out: &mut Builder,
) {
    let name = expressions::set_reference(one.name, attribute);
    if let Some(set) = name.and_then(|name| owned_one(&owned.sets, name)) {
        out.put_text(attribute.kind(), set.name);
        out.put_be32(id_kind, set.id);
    } else {
        out.put(attribute.raw_kind, attribute.payload);
    }
}

fn put_dynset(one: &Expression<'_>, owned: &Owned<'_>, out: &mut Builder) {
    let has_list = find(one.data, expression::DYNSET_EXPRESSIONS).is_some();
    let mut has_flags = false;
    for attribute in one.attributes() {
        match attribute.kind() {
            // The kernel dumps a zero and refuses it for sets without timeouts.
            expression::DYNSET_TIMEOUT if attribute.be64() == Some(0) => {}
            expression::DYNSET_PAD => {}
            expression::DYNSET_FLAGS => {
                has_flags = true;
                let mut flags = attribute.be32().unwrap_or(0);
                if has_list {
                    flags |= expression::DYNSET_F_EXPR;
                }
                out.put_be32(expression::DYNSET_FLAGS, flags);
            }
            expression::DYNSET_EXPR => put_expression(attribute.kind(), attribute.payload, out),
            expression::DYNSET_EXPRESSIONS => put_list(attribute.kind(), attribute.payload, out),
            _ => put_set_name(one, &attribute, owned, expression::DYNSET_SET_ID, out),
        }
    }
    if has_list && !has_flags {
        out.put_be32(expression::DYNSET_FLAGS, expression::DYNSET_F_EXPR);
    }
}

fn put_inner(one: &Expression<'_>, out: &mut Builder) {
    for attribute in one.attributes() {
        if attribute.kind() == expression::INNER_EXPR {
            put_expression(attribute.kind(), attribute.payload, out);
        } else {
            out.put(attribute.raw_kind, attribute.payload);
        }
    }
}

/// A jump to a bound chain goes by number.
fn put_immediate(one: &Expression<'_>, owned: &Owned<'_>, out: &mut Builder) {
    for attribute in one.attributes() {
        let chain = immediate_chain(one, &attribute).map(bare);
        let Some(id) = chain.and_then(|name| owned_one(&owned.chains, name)) else {
            out.put(attribute.raw_kind, attribute.payload);
            continue;
        };
        out.nest(expression::IMMEDIATE_DATA, |out| {
            out.nest(expression::DATA_VERDICT, |out| {
                let verdict = find(attribute.payload, expression::DATA_VERDICT);
                for part in verdict.map_or(Attributes::new(&[]), |verdict| verdict.nested()) {
                    if part.kind() == expression::VERDICT_CHAIN {
                        out.put_be32(expression::VERDICT_CHAIN_ID, id);
                    } else {
                        out.put(part.raw_kind, part.payload);
                    }
                }
            });
        });
    }
}
