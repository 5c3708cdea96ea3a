//! `NFT_MSG_TRACE`: what a chain did with a packet (`net/netfilter/nf_tables_trace.c`).

use super::packet::Packet;
use crate::netlink::{Attributes, Message, find};
use crate::nftables::TableId;
use crate::nftables::kernel::{SUBSYSTEM, chain, expression, message, trace};

/// Length of `struct nfgenmsg`, in bytes.
const FAMILY_HEADER_BYTES: usize = 4;
/// The bits of a verdict code that hold `NF_*`; queue number and error number are above.
const NF_VERDICT_MASK: u32 = 0xff;
const NF_STOLEN: u32 = 2;
const NF_QUEUE: u32 = 3;
const NF_VERDICT_FLAG_QUEUE_BYPASS: u32 = 0x8000;

/// One step of a packet through the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The kernel's number for the packet; it uses them again.
    pub id: u32,
    /// The table.
    pub table: TableId,
    /// The chain; that of a rule in a bound chain is the bound chain.
    pub chain: String,
    /// The rule's handle; `None` where this is about a chain's policy.
    pub rule: Option<u64>,
    /// What follows.
    pub outcome: Outcome,
    /// The packet; the kernel shows it with the first step in each base chain.
    pub packet: Option<Packet>,
}

/// What becomes of a packet after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on, in this chain or in another.
    On,
    /// It is gone.
    Dropped,
    /// The rule kept it (`NF_STOLEN`).
    Stolen,
    /// It is handed to a program.
    Queued {
        /// Whether it goes on where none listens; else it is gone.
        bypass: bool,
    },
}

impl Step {
    /// Reads a message; `None` where it is not a trace.
    pub fn read(message: &Message<'_>) -> Option<Self> {
        if message.kind != SUBSYSTEM << 8 | message::TRACE {
            return None;
        }
        let (header, attributes) = message.payload.split_at_checked(FAMILY_HEADER_BYTES)?;
        let number = |kind| find(attributes, kind).and_then(|one| one.be32());
        let bytes = |kind| find(attributes, kind).map(|one| one.payload);
        let kind = number(trace::TYPE)?;
        let packet = bytes(trace::NETWORK_HEADER).map(|network| {
            Packet::read(
                number(trace::NFPROTO),
                bytes(trace::LINK_HEADER),
                network,
                bytes(trace::TRANSPORT_HEADER).unwrap_or(&[]),
            )
        });
        Some(Self {
            id: number(trace::ID)?,
            table: TableId {
                family: header[0],
                name: find(attributes, trace::TABLE)?.text(),
            },
            chain: find(attributes, trace::CHAIN)?.text(),
            rule: find(attributes, trace::RULE_HANDLE)
                .filter(|_| kind != trace::TYPE_POLICY)
                .and_then(|handle| handle.be64()),
            outcome: outcome(kind, attributes),
            packet,
        })
    }
}

fn outcome(kind: u32, attributes: &[u8]) -> Outcome {
    match kind {
        trace::TYPE_POLICY => {
            let policy = find(attributes, trace::POLICY).and_then(|policy| policy.be32());
            if policy == Some(chain::DROP) {
                Outcome::Dropped
            } else {
                Outcome::On
            }
        }
        trace::TYPE_RULE => {
            let verdict =
                find(attributes, trace::VERDICT).map_or(Attributes::new(&[]), |one| one.nested());
            let code = verdict
                .into_iter()
                .find(|one| one.kind() == expression::VERDICT_CODE)
                .and_then(|code| code.be32());
            code.map_or(Outcome::On, of_code)
        }
        // `NFT_TRACETYPE_RETURN`: back to the chain that jumped.
        _ => Outcome::On,
    }
}

/// The codes of nf_tables itself are small negative numbers (`NFT_CONTINUE`, `NFT_JUMP`, …),
/// whose low bytes no `NF_*` verdict has.
const fn of_code(code: u32) -> Outcome {
    match code & NF_VERDICT_MASK {
        chain::DROP => Outcome::Dropped,
        NF_STOLEN => Outcome::Stolen,
        NF_QUEUE => Outcome::Queued {
            bypass: code & NF_VERDICT_FLAG_QUEUE_BYPASS != 0,
        },
        _ => Outcome::On,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_codes_are_told_apart() {
        let jump = (-3_i32).cast_unsigned();
        let goto = (-4_i32).cast_unsigned();
        let go_on = (-1_i32).cast_unsigned();
        for code in [jump, goto, go_on, chain::ACCEPT] {
            assert_eq!(of_code(code), Outcome::On, "{code:#x}");
        }
        // With an error number above it (`NF_DROP_ERR`).
        for code in [0, 1 << 16, 0x8000_0000] {
            assert_eq!(of_code(code), Outcome::Dropped, "{code:#x}");
        }
        assert_eq!(of_code(2), Outcome::Stolen);
        let bypass = true;
        assert_eq!(of_code(5 << 16 | 0x8000 | 3), Outcome::Queued { bypass });
        // Queue 40000 sets the sign bit.
        let bypass = false;
        assert_eq!(of_code(40_000 << 16 | 3), Outcome::Queued { bypass });
    }
}
