//! Rules taken apart: what each looks at, and what it does.
//!
//! This serves advice, and to say what a rehearsal cannot show. What becomes of
//! packets is the kernel's to say and is never judged from this.

mod base;
mod build;
mod code;
mod decode;
mod extension;
mod legacy;
mod numbers;
mod packet;
mod protocols;
mod run;
mod sets;
mod unit;
mod walk;
mod words;

use std::collections::BTreeMap;

pub use base::{Base, Hook, Kind};
pub use code::{Compare, Op, Origin};
pub use numbers::{ct, meta, payload_base, state};
pub use packet::{Device, Packet};
pub use sets::{Element, Set};
pub use unit::{Unit, units};
pub use walk::{Fate, Walk};
pub use words::Clause;

use crate::checkpoint::Part;

/// All chains of a snapshot, taken apart.
#[derive(Debug, Clone, Default)]
pub struct Anatomy {
    /// The chains, table by table.
    pub chains: Vec<Chain>,
    /// Sets and maps of nf_tables.
    pub sets: Vec<Set>,
    pub(crate) index: BTreeMap<(Part, String), usize>,
}

impl Anatomy {
    /// The chain of that name.
    #[must_use]
    pub fn chain(&self, part: &Part, name: &str) -> Option<&Chain> {
        self.chains.get(self.position(part, name)?)
    }

    /// The place of that chain among [`Anatomy::chains`].
    #[must_use]
    pub fn position(&self, part: &Part, name: &str) -> Option<usize> {
        let place = (part.clone(), name.to_owned());
        self.index.get(&place).copied()
    }

    /// All verdicts that a rule may give.
    #[must_use]
    pub fn verdicts<'a>(&'a self, rule: &'a Rule) -> Vec<&'a Verdict> {
        let mut found = vec![&rule.verdict];
        if let Body::Code(ops) = &rule.body {
            for op in ops {
                if let Op::Lookup {
                    set: Some(set),
                    verdict: true,
                    ..
                } = op
                    && let Some(set) = self.sets.get(*set)
                {
                    found.extend(set.elements.iter().filter_map(|one| one.verdict.as_ref()));
                }
            }
        }
        found
    }
}

/// A chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its table.
    pub part: Part,
    /// Its name.
    pub name: String,
    /// Where it hangs; `None` for a chain that others jump to.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// Whether what comes to its end is let through, or comes back.
    #[must_use]
    pub fn lets_pass(&self) -> bool {
        self.base.is_none_or(|base| !base.drops)
    }

    /// Whether IPv6 (`v6`) or IPv4 packets can come by.
    #[must_use]
    pub const fn sees(&self, v6: bool) -> bool {
        match &self.part {
            // inet, netdev and bridge see both.
            Part::Nft(id) => match id.family {
                2 => !v6,
                10 => v6,
                3 => false,
                _ => true,
            },
            Part::Legacy(crate::legacy::Family::V4, _) => !v6,
            Part::Legacy(crate::legacy::Family::V6, _) => v6,
            Part::Set(_) => false,
        }
    }
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it looks at.
    pub body: Body,
    /// What becomes of packets that match; [`Verdict::None`] where a map says it.
    pub verdict: Verdict,
}

/// What a rule looks at and does, in its backend's form.
#[derive(Debug, Clone)]
pub enum Body {
    /// nf_tables' expressions, the verdict aside.
    Code(Vec<Op>),
    /// The options that `iptables-save` prints, those of the target included.
    Words(Vec<Clause>),
}

/// What becomes of packets that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They go on to the next rule.
    None,
    /// Let through.
    Accept,
    /// Dropped, with or without an answer.
    Drop,
    /// Back to the rule after the jump, or to the policy.
    Return,
    /// Through another chain, and back.
    Jump(String),
    /// Through another chain, and from there to where this one would return to.
    Goto(String),
    /// A program decides (`NFQUEUE`).
    Queue,
    /// Sent elsewhere (`DNAT`, `REDIRECT`) or in another name (`SNAT`, `MASQUERADE`).
    Translate,
}

/// What can be told without the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Certainly.
    Yes,
    /// Certainly not.
    No,
    /// It cannot be told.
    Maybe,
}

impl Answer {
    /// Yes or no.
    #[must_use]
    pub const fn sure(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Whether both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            (Self::Maybe, _) | (_, Self::Maybe) => Self::Maybe,
        }
    }

    /// Whether at least one.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// The contrary.
    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    /// The contrary, if `negated`.
    #[must_use]
    pub const fn negated_if(self, negated: bool) -> Self {
        if negated { self.not() } else { self }
    }
}
