//! A form of rules, sets and objects in which equal things are equal bytes:
//! no handles, no names that the kernel invented, no element order.

use std::collections::{HashMap, HashSet};

use super::compare::Compare;
use super::counts::counted;
use super::expressions::{self, Expression, bare};
use super::kernel::{element, expression, object, rule, set};
use super::model::{Object, Rule, Set, Table};
use crate::netlink::{Attribute, Attributes, find};

/// Kinds of things that rules and elements refer to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    /// A chain that is jumped to.
    Chain,
    /// A set or map.
    Set,
    /// A stateful object.
    Object,
    /// A flowtable.
    Flowtable,
}

/// Names of things that will be deleted or made anew: what refers to them cannot stay.
pub type Stale = HashSet<(Named, Vec<u8>)>;

/// Writes canonical forms of what is in one table.
#[derive(Debug)]
pub struct Canonical<'a> {
    how: Compare,
    stale: Stale,
    touched: bool,
    anonymous: HashMap<&'a [u8], &'a Set>,
    bound: HashMap<&'a [u8], &'a [Rule]>,
}

impl<'a> Canonical<'a> {
    /// For what is in `table`; references to something in `stale` are noticed.
    pub fn new(table: &'a Table, how: Compare, stale: Stale) -> Self {
        let anonymous = table.sets.iter().filter(|set| set.is_anonymous());
        let bound = table.chains.iter().filter(|chain| chain.is_bound());
        Self {
            how,
            stale,
            touched: false,
            anonymous: anonymous.map(|set| (set.name.as_bytes(), set)).collect(),
            bound: bound
                .map(|chain| (chain.name.as_bytes(), &chain.rules[..]))
                .collect(),
        }
    }

    /// Whether anything written since the last call referred to something stale.
    pub const fn take_touched(&mut self) -> bool {
        std::mem::replace(&mut self.touched, false)
    }

    /// Whether no rule owns anything: equal rules are equal bytes then.
    pub fn is_plain(&self) -> bool {
        self.anonymous.is_empty() && self.bound.is_empty()
    }

    /// A rule, with the anonymous sets and bound chains that it owns.
    pub fn rule(&mut self, one: &Rule) -> Vec<u8> {
        let mut out = Vec::with_capacity(one.attributes.len());
        self.put_rule(one, &mut out);
        out
    }

    fn put_rule(&mut self, one: &Rule, out: &mut Vec<u8>) {
        for attribute in Attributes::new(&one.attributes) {
            if attribute.kind() == rule::EXPRESSIONS {
                let at = open(out);
                self.list(attribute.payload, out);
                close(out, at);
            } else {
                copy(&attribute, out);
            }
        }
    }

    /// A set's header; the name only where the set has one of its own.
    pub fn set_header(&mut self, one: &Set) -> Vec<u8> {
        let mut out = Vec::new();
        if one.name_template().is_none() {
            out.extend_from_slice(one.name.as_bytes());
        }
        out.push(0);
        for attribute in Attributes::new(&one.attributes) {
            match attribute.kind() {
                set::EXPR => self.expression(Expression::new(attribute.payload), &mut out),
                set::EXPRESSIONS => self.list(attribute.payload, &mut out),
                _ => copy(&attribute, &mut out),
            }
        }
        out
    }

    /// A set's elements, sorted.
    pub fn elements(&mut self, one: &Set) -> Vec<Vec<u8>> {
        let mut elements: Vec<_> = one
            .elements()
            .map(|payload| self.element(payload))
            .collect();
        elements.sort_unstable();
        elements
    }

    /// An element, without the time it has left.
    pub fn element(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len());
        for attribute in Attributes::new(payload) {
            match attribute.kind() {
                element::EXPIRATION | element::PAD => {}
                element::EXPR => self.expression(Expression::new(attribute.payload), &mut out),
                element::EXPRESSIONS => self.list(attribute.payload, &mut out),
                element::OBJREF => self.named(Named::Object, &attribute, &mut out),
                element::DATA => {
                    if let Some(name) = expressions::verdict_chain(attribute.payload) {
                        self.refer(Named::Chain, name);
                    }
                    copy(&attribute, &mut out);
                }
                _ => copy(&attribute, &mut out),
            }
        }
        out
    }

    /// A stateful object.
    pub fn object(&mut self, one: &Object) -> Vec<u8> {
        let name: &[u8] = match one.kind {
            object::COUNTER => b"counter",
            object::QUOTA => b"quota",
            _ => b"",
        };
        let mut out = one.name.clone().into_bytes();
        out.push(0);
        for attribute in Attributes::new(&one.attributes) {
            if attribute.kind() == object::DATA {
                let data = attribute.payload;
                let has_data = true;
                self.expression(
                    Expression {
                        name,
                        data,
                        has_data,
                    },
                    &mut out,
                );
            } else {
                copy(&attribute, &mut out);
            }
        }
        out
    }

    fn list(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        for one in expressions::list(payload) {
            self.expression(one, out);
        }
    }

    fn expression(&mut self, one: Expression<'_>, out: &mut Vec<u8>) {
        let at = open(out);
        out.extend_from_slice(one.name);
        out.push(0);
        for attribute in one.attributes() {
            self.attribute(one.name, &attribute, out);
        }
        close(out, at);
    }

    fn attribute(&mut self, name: &[u8], attribute: &Attribute<'_>, out: &mut Vec<u8>) {
        if let Some(set) = expressions::set_reference(name, attribute) {
            return self.set(set, attribute, out);
        }
        let rules_only = self.how != Compare::Exact;
        match (name, attribute.kind()) {
            (b"counter", _) | (b"quota", expression::QUOTA_CONSUMED) if rules_only => {}
            (b"last", kind) => {
                if !rules_only && kind == expression::LAST_SET {
                    copy(attribute, out);
                }
            }
            // Depleted follows from what is consumed; the kernel refuses to be told.
            (b"quota", expression::QUOTA_FLAGS) => {
                let flags = attribute.be32().unwrap_or(0) & !expression::QUOTA_DEPLETED;
                out.extend_from_slice(&flags.to_be_bytes());
            }
            (b"objref", expression::OBJREF_IMM_NAME) => self.named(Named::Object, attribute, out),
            (b"flow_offload", expression::FLOW_TABLE_NAME) => {
                self.named(Named::Flowtable, attribute, out);
            }
            (b"dynset", expression::DYNSET_EXPR) | (b"inner", expression::INNER_EXPR) => {
                self.expression(Expression::new(attribute.payload), out);
            }
            (b"dynset", expression::DYNSET_EXPRESSIONS) => self.list(attribute.payload, out),
            (b"immediate", expression::IMMEDIATE_DATA) => self.immediate(attribute, out),
            _ => copy(attribute, out),
        }
    }

    /// A reference to a set: an anonymous one by its content.
    fn set(&mut self, name: &[u8], attribute: &Attribute<'_>, out: &mut Vec<u8>) {
        let Some(set) = self.anonymous.get(name).copied() else {
            return self.named(Named::Set, attribute, out);
        };
        let header = self.set_header(set);
        put(&header, out);
        for element in self.elements(set) {
            put(&element, out);
        }
    }

    /// A verdict or value: a bound chain by its content.
    fn immediate(&mut self, attribute: &Attribute<'_>, out: &mut Vec<u8>) {
        let chain = expressions::verdict_chain(attribute.payload);
        let Some(rules) = chain.and_then(|name| self.bound.get(name).copied()) else {
            if let Some(name) = chain {
                self.refer(Named::Chain, name);
            }
            return copy(attribute, out);
        };
        let verdict = find(attribute.payload, expression::DATA_VERDICT);
        if let Some(code) = verdict.and_then(|one| find(one.payload, expression::VERDICT_CODE)) {
            copy(&code, out);
        }
        for one in rules {
            let at = open(out);
            self.put_rule(one, out);
            close(out, at);
        }
    }

    fn named(&mut self, kind: Named, attribute: &Attribute<'_>, out: &mut Vec<u8>) {
        self.refer(kind, bare(attribute.payload));
        copy(attribute, out);
    }

    fn refer(&mut self, kind: Named, name: &[u8]) {
        if !self.stale.is_empty() && self.stale.contains(&(kind, name.to_vec())) {
            self.touched = true;
        }
    }

    /// Packets, bytes and quota consumption that a rule has counted, in order.
    pub fn progress(&self, one: &Rule) -> Vec<u64> {
        let mut counts = Vec::new();
        for one in expressions::of_rule(one) {
            if one.name == b"immediate" {
                let data = find(one.data, expression::IMMEDIATE_DATA);
                let chain = data.and_then(|data| expressions::verdict_chain(data.payload));
                for inner in chain
                    .and_then(|name| self.bound.get(name).copied())
                    .unwrap_or(&[])
                {
                    counts.extend(self.progress(inner));
                }
            }
            counts.extend(counted(&one));
        }
        counts
    }
}

fn copy(attribute: &Attribute<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&attribute.kind().to_ne_bytes());
    put(attribute.payload, out);
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    let at = open(out);
    out.extend_from_slice(bytes);
    close(out, at);
}

fn open(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 8]);
    out.len()
}

/// Writes the length of what followed [`open`] in front of it.
fn close(out: &mut [u8], at: usize) {
    let length = (out.len() - at) as u64;
    out[at - 8..at].copy_from_slice(&length.to_ne_bytes());
}
