//! What has to change in an expression before the kernel takes it back.
//!
//! Dumps are not accepted as they are; what differs is said at each place.

use super::expressions::{self, Expression};
use super::kernel::{LIST_ELEM, expression};
use crate::netlink::{Attribute, Attributes, Builder, find};

/// Numbers given to what one rule owns.
#[derive(Debug, Default)]
pub struct Owned<'a> {
    /// Sets, by their old names.
    pub sets: Vec<(&'a [u8], OwnedSet<'a>)>,
    /// Chains, by their old names.
    pub chains: Vec<(&'a [u8], u32)>,
}

/// What a set is called in the transaction: a template the kernel fills in, and a number.
#[derive(Debug, Clone, Copy)]
pub struct OwnedSet<'a> {
    /// The template.
    pub name: &'a str,
    /// The number.
    pub id: u32,
}

/// What belongs to `name`.
pub fn owned_one<T: Copy>(of: &[(&[u8], T)], name: &[u8]) -> Option<T> {
    of.iter()
        .find(|(one, _)| *one == name)
        .map(|(_, what)| *what)
}

/// The chain that `attribute` of an `immediate` jumps to.
pub fn immediate_chain<'b>(one: &Expression<'_>, attribute: &Attribute<'b>) -> Option<&'b [u8]> {
    (one.name == b"immediate" && attribute.kind() == expression::IMMEDIATE_DATA)
        .then(|| expressions::verdict_chain(attribute.payload))
        .flatten()
}

/// Copies the attributes but those whose kind is in `strip`.
pub fn copy_but(attributes: Attributes<'_>, strip: &[u16], out: &mut Builder) {
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

/// An expression, in attribute `kind`.
pub fn put_one(kind: u16, one: &Expression<'_>, owned: &Owned<'_>, out: &mut Builder) {
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
pub fn put_quota(data: &[u8], out: &mut Builder) {
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
        let chain = immediate_chain(one, &attribute);
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
