//! Messages that add elements to sets and take them out.

use super::batch::Batch;
use super::kernel::{LIST_ELEM, element, flag, message, set};
use super::model::{Set, TableId};
use super::rewrite;
use crate::netlink::{Attributes, Builder, find};

/// Elements per message, in bytes: well below the 64 KiB that an attribute can hold.
const CHUNK_BYTES: usize = 24 << 10;

/// Adds all elements of `one` to the set called `name`.
pub fn add(batch: &mut Batch, id: &TableId, name: &str, set_id: Option<u32>, one: &Set) {
    let mut all: Vec<&[u8]> = one.elements().collect();
    let flags = one.flags();
    if flags & set::INTERVAL != 0 && flags & set::CONCAT == 0 {
        // Dumps run from the highest end down; in ascending order each interval's start comes first.
        all.reverse();
    }
    send(batch, message::NEWSETELEM, id, name, set_id, &all);
}

/// Adds single elements.
pub fn add_some(batch: &mut Batch, id: &TableId, name: &str, which: &[&[u8]]) {
    send(batch, message::NEWSETELEM, id, name, None, which);
}

/// Takes single elements out.
pub fn delete_some(batch: &mut Batch, id: &TableId, name: &str, which: &[&[u8]]) {
    send(batch, message::DELSETELEM, id, name, None, which);
}

/// Takes all elements out.
pub fn flush(batch: &mut Batch, id: &TableId, name: &str) {
    batch.add(message::DELSETELEM, 0, id, |out| head(out, id, name, None));
}

fn head(out: &mut Builder, id: &TableId, name: &str, set_id: Option<u32>) {
    out.put_text(element::LIST_TABLE, &id.name);
    out.put_text(element::LIST_SET, name);
    if let Some(set_id) = set_id {
        out.put_be32(element::LIST_SET_ID, set_id);
    }
}

fn send(
    batch: &mut Batch,
    kind: u16,
    id: &TableId,
    name: &str,
    set_id: Option<u32>,
    all: &[&[u8]],
) {
    let flags = if kind == message::NEWSETELEM {
        flag::CREATE
    } else {
        0
    };
    let mut rest = all;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(chunk(rest));
        rest = later;
        batch.add(kind, flags, id, |out| {
            head(out, id, name, set_id);
            out.nest(element::LIST_ELEMENTS, |out| {
                for payload in now {
                    out.nest(LIST_ELEM, |out| {
                        if kind == message::NEWSETELEM {
                            put_whole(payload, out);
                        } else {
                            put_key(payload, out);
                        }
                    });
                }
            });
        });
    }
}

/// How many elements go into the next message: an interval's start and end are not parted.
fn chunk(all: &[&[u8]]) -> usize {
    let mut bytes = 0;
    for (index, payload) in all.iter().enumerate() {
        bytes += payload.len() + 8;
        let ends = find(payload, element::FLAGS)
            .and_then(|flags| flags.be32())
            .is_some_and(|flags| flags & element::INTERVAL_END != 0);
        if bytes > CHUNK_BYTES && index > 0 && !ends {
            return index;
        }
    }
    all.len()
}

fn put_whole(payload: &[u8], out: &mut Builder) {
    for attribute in Attributes::new(payload) {
        match attribute.kind() {
            element::EXPR => rewrite::put_expression(element::EXPR, attribute.payload, out),
            element::EXPRESSIONS => rewrite::put_list(element::EXPRESSIONS, attribute.payload, out),
            _ => out.put(attribute.raw_kind, attribute.payload),
        }
    }
}

fn put_key(payload: &[u8], out: &mut Builder) {
    for attribute in Attributes::new(payload) {
        if matches!(
            attribute.kind(),
            element::KEY | element::KEY_END | element::FLAGS
        ) {
            out.put(attribute.raw_kind, attribute.payload);
        }
    }
}
