//! What has to wait until a transaction is in force, so that nothing leaks meanwhile.
//!
//! The kernel switches all rules at one instant, but sets policies one by one
//! afterwards; a new base chain starts with the policy accept until then
//! (`nft_chain_commit_drop_policy` in `nf_tables_api.c`), and a packet that is still
//! on its way through the old rules meets the new policy at their end. Hence:
//! - a chain whose policy becomes drop gets a guard, a `drop` as its last rule,
//!   which goes when the policy is in force;
//! - a policy becomes accept, and a table that others replace is deleted, only when
//!   no packet is left in the old rules.

use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{MembarrierCommand, membarrier};

use super::batch::Batch;
use super::error::Error;
use super::kernel::{LIST_ELEM, SUBSYSTEM, chain, expression, flag, message, rule, table};
use super::model::{Chain, Table, TableId};
use crate::netlink::{Builder, Message, find};

/// The comment that guard rules carry, for people who find one.
const COMMENT: &str = "safe-apply guard";
/// `NFTNL_UDATA_RULE_COMMENT` (libnftnl's `udata.h`).
const USERDATA_COMMENT: u8 = 0;
/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;

/// `NFT_CHAIN_HW_OFFLOAD`: such a chain takes only rules that the device can carry out.
const OFFLOAD: u32 = 2;
/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;
/// Longer than any packet takes through any rules, where the kernel cannot tell.
const PACKET_TIME: Duration = Duration::from_millis(50);

/// What is left to do once the transaction is in force.
#[derive(Debug, Default)]
pub struct Settlement {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// Remove a guard; the kernel tells the rule's handle.
    Unguard {
        table: TableId,
        chain: String,
        handle: Option<u64>,
    },
    /// Set a chain's policy to accept.
    Accept { table: TableId, chain: String },
    /// Delete a table; by its handle where that is known, so that no later one of
    /// the same name goes.
    Delete { table: TableId, handle: Option<u64> },
}

impl Settlement {
    /// Appends a guard to `one`, a chain of table `id` whose policy becomes drop.
    pub fn guard(&mut self, batch: &mut Batch, id: &TableId, one: &Chain) {
        let flags = find(&one.attributes, chain::FLAGS).and_then(|flags| flags.be32());
        if flags.is_some_and(|flags| flags & OFFLOAD != 0) {
            return;
        }
        let flags = flag::CREATE | flag::APPEND | flag::ECHO;
        batch.add(message::NEWRULE, flags, id, |out| {
            out.put_text(rule::TABLE, &id.name);
            out.put_text(rule::CHAIN, &one.name);
            out.nest(rule::EXPRESSIONS, |out| out.nest(LIST_ELEM, put_drop));
            out.put(rule::USERDATA, &comment());
        });
        self.steps.push(Step::Unguard {
            table: id.clone(),
            chain: one.name.clone(),
            handle: None,
        });
    }

    /// Sets the policy of `one` to accept, later.
    pub fn accept(&mut self, id: &TableId, one: &Chain) {
        self.steps.push(Step::Accept {
            table: id.clone(),
            chain: one.name.clone(),
        });
    }

    /// Deletes `one`, later.
    pub fn delete(&mut self, one: &Table) {
        self.steps.push(Step::Delete {
            table: one.id.clone(),
            handle: Some(one.handle),
        });
    }

    /// Deletes table `id`, later.
    pub fn delete_named(&mut self, id: TableId) {
        let handle = None;
        self.steps.push(Step::Delete { table: id, handle });
    }

    /// Notes the handle when `echo` is the kernel's echo of a guard.
    pub fn note(&mut self, echo: &Message<'_>) {
        if echo.kind != SUBSYSTEM << 8 | message::NEWRULE {
            return;
        }
        let Some((header, attributes)) = echo.payload.split_at_checked(4) else {
            return;
        };
        let text = |kind| find(attributes, kind).map(|one| one.text());
        let (of, within) = (text(rule::TABLE), text(rule::CHAIN));
        for step in &mut self.steps {
            if let Step::Unguard {
                table,
                chain,
                handle,
            } = step
            {
                let same = table.family == header[0]
                    && Some(&table.name) == of.as_ref()
                    && Some(&*chain) == within.as_ref();
                if same {
                    *handle = find(attributes, rule::HANDLE).and_then(|one| one.be64());
                }
            }
        }
    }

    /// Adds what is left to `batch`.
    pub fn put(&self, batch: &mut Batch) -> Result<(), Error> {
        self.steps.iter().try_for_each(|step| step.put(batch))
    }

    /// Does what is left, in one further transaction; counts it in `generation`.
    pub fn finish(&self, generation: &mut Option<u32>) -> Result<(), Error> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let waits = |step: &Step| !matches!(step, Step::Unguard { .. });
        if self.steps.iter().any(waits) {
            wait_for_packets();
        }
        let mut batch = Batch::new(None);
        self.put(&mut batch)?;
        *generation = following(*generation);
        match batch.commit(|_| {}).map_err(|refusal| refusal.error) {
            // Somebody else has removed one of the things meanwhile: one by one.
            Err(Error::Refused { .. }) => self.steps.iter().try_for_each(Step::alone),
            other => other,
        }
    }
}

impl Step {
    fn put(&self, batch: &mut Batch) -> Result<(), Error> {
        match self {
            Self::Unguard {
                table,
                chain,
                handle,
            } => {
                let handle = handle.ok_or_else(|| self.unfinished(Errno::NODATA))?;
                batch.add(message::DELRULE, 0, table, |out| {
                    out.put_text(rule::TABLE, &table.name);
                    out.put_text(rule::CHAIN, chain);
                    out.put_be64(rule::HANDLE, handle);
                });
            }
            Self::Accept { table, chain } => batch.add(message::NEWCHAIN, 0, table, |out| {
                out.put_text(chain::TABLE, &table.name);
                out.put_text(chain::NAME, chain);
                out.put_be32(chain::POLICY, ACCEPT);
            }),
            Self::Delete { table, handle } => {
                batch.add(message::DELTABLE, 0, table, |out| match handle {
                    Some(handle) => out.put_be64(table::HANDLE, *handle),
                    None => out.put_text(table::NAME, &table.name),
                })
            }
        }
        Ok(())
    }

    fn alone(&self) -> Result<(), Error> {
        let mut batch = Batch::new(None);
        self.put(&mut batch)?;
        match batch.commit(|_| {}).map_err(|refusal| refusal.error) {
            // What is gone needs nothing more.
            Err(Error::Refused {
                errno: Errno::NOENT,
                ..
            }) => Ok(()),
            Err(Error::Refused { errno, .. }) => Err(self.unfinished(errno)),
            other => other,
        }
    }

    fn unfinished(&self, errno: Errno) -> Error {
        let step = match self {
            Self::Unguard { table, chain, .. } => {
                format!(
                    "removing the temporary drop rule at the end of chain {chain} of table {table}"
                )
            }
            Self::Accept { table, chain } => {
                format!("setting the policy of chain {chain} of table {table} to accept")
            }
            Self::Delete { table, .. } => format!("deleting table {table}"),
        };
        Error::Unfinished { step, errno }
    }
}

/// The generation after a commit, where it counts: the kernel counts up, and leaves out zero.
pub fn following(generation: Option<u32>) -> Option<u32> {
    generation.map(|generation| generation.wrapping_add(1).max(1))
}

/// Returns when no packet is left that was on its way at the time of the call:
/// packets pass the hooks inside RCU sections, and the global barrier waits for those.
pub fn wait_for_packets() {
    if membarrier(MembarrierCommand::Global).is_err() {
        sleep(PACKET_TIME);
    }
}

fn comment() -> Vec<u8> {
    let mut bytes = vec![USERDATA_COMMENT, COMMENT.len() as u8 + 1];
    bytes.extend_from_slice(COMMENT.as_bytes());
    bytes.push(0);
    bytes
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
