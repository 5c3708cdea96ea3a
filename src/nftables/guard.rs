//! Guard rules: a temporary `drop` at the end of a chain whose policy becomes drop.
//!
//! The kernel switches all rules at one instant, but sets policies one by one
//! afterwards, and a new base chain starts with the policy accept until then
//! (`nft_chain_commit_drop_policy` in `nf_tables_api.c`). In between, the guard drops.

use rustix::io::Errno;

use super::batch::Batch;
use super::error::Error;
use super::kernel::{LIST_ELEM, SUBSYSTEM, chain, expression, flag, message, rule};
use super::model::TableId;
use crate::netlink::{Builder, Message, find};

/// The comment that guard rules carry, for people who find one.
const COMMENT: &str = "safe-apply guard";
/// `NFTNL_UDATA_RULE_COMMENT` (libnftnl's `udata.h`).
const USERDATA_COMMENT: u8 = 0;
/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;

/// A chain that got a guard rule, and the rule's handle once the kernel has told it.
#[derive(Debug)]
pub struct Guard {
    table: TableId,
    chain: String,
    handle: Option<u64>,
}

fn comment() -> Vec<u8> {
    let mut bytes = vec![USERDATA_COMMENT, COMMENT.len() as u8 + 1];
    bytes.extend_from_slice(COMMENT.as_bytes());
    bytes.push(0);
    bytes
}

/// Appends a guard to chain `name` of table `id`.
pub fn put(batch: &mut Batch, id: &TableId, name: &str) -> Guard {
    let flags = flag::CREATE | flag::APPEND | flag::ECHO;
    batch.add(message::NEWRULE, flags, id, |out| {
        out.put_text(rule::TABLE, &id.name);
        out.put_text(rule::CHAIN, name);
        out.nest(rule::EXPRESSIONS, |out| out.nest(LIST_ELEM, put_drop));
        out.put(rule::USERDATA, &comment());
    });
    Guard {
        table: id.clone(),
        chain: name.to_owned(),
        handle: None,
    }
}

fn put_drop(out: &mut Builder) {
    out.put_text(expression::NAME, "immediate");
    out.nest(expression::DATA, |out| {
        out.put_be32(expression::IMMEDIATE_DREG, VERDICT_REGISTER);
        out.nest(expression::IMMEDIATE_DATA, |out| {
            out.nest(expression::DATA_VERDICT, |out| {
                out.put_be32(expression::VERDICT_CODE, chain::DROP);
            });
        });
    });
}

/// Notes the handle when `echo` is the kernel's echo of one of `guards`.
pub fn note(guards: &mut [Guard], echo: &Message<'_>) {
    if echo.kind != SUBSYSTEM << 8 | message::NEWRULE {
        return;
    }
    let Some((header, attributes)) = echo.payload.split_at_checked(4) else {
        return;
    };
    let text = |kind| find(attributes, kind).map(|one| one.text());
    let (table, chain) = (text(rule::TABLE), text(rule::CHAIN));
    let found = guards.iter_mut().find(|guard| {
        guard.table.family == header[0]
            && Some(&guard.table.name) == table.as_ref()
            && Some(&guard.chain) == chain.as_ref()
    });
    if let Some(guard) = found {
        guard.handle = find(attributes, rule::HANDLE).and_then(|handle| handle.be64());
    }
}

/// Removes the guards: the policies are in force now.
pub fn remove(guards: &[Guard]) -> Result<(), Error> {
    for guard in guards {
        let place = || format!("chain {} of table {}", guard.chain, guard.table);
        let Some(handle) = guard.handle else {
            let (chain, errno) = (place(), Errno::NODATA);
            return Err(Error::GuardLeft { chain, errno });
        };
        let mut batch = Batch::new(None);
        batch.add(message::DELRULE, 0, &guard.table, |out| {
            out.put_text(rule::TABLE, &guard.table.name);
            out.put_text(rule::CHAIN, &guard.chain);
            out.put_be64(rule::HANDLE, handle);
        });
        match batch.commit(|_| {}).map_err(|refusal| refusal.error) {
            // Gone already: somebody else has replaced the chain meanwhile.
            Ok(())
            | Err(Error::Refused {
                errno: Errno::NOENT,
                ..
            }) => {}
            Err(Error::Refused { errno, .. }) => {
                let chain = place();
                return Err(Error::GuardLeft { chain, errno });
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}
