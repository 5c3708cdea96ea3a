//! Which rules of a table counted something, and what that means for the packet.

use std::collections::BTreeSet;

use super::counted::{Chain, Table};

/// Targets behind which no packet goes on, those of xtables-addons included.
const STOPPING: [&str; 6] = ["DROP", "REJECT", "TARPIT", "DELUDE", "CHAOS", "STEAL"];
/// Targets that let the packet go on, in this chain or behind it, or answer for its destination.
#[rustfmt::skip]
const PASSING: [&str; 34] = [
    "", "ACCEPT", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DNAT",
    "DSCP", "ECN", "HL", "HMARK", "IDLETIMER", "LED", "LOG", "MARK", "MASQUERADE", "NETMAP",
    "NFLOG", "NOTRACK", "RATEEST", "REDIRECT", "RETURN", "SECMARK", "SET", "SNAT", "SYNPROXY",
    "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS", "TRACE", "TTL",
];

/// A rule or policy whose counter moved.
pub struct Move<'a> {
    /// The chain.
    pub chain: &'a str,
    /// From 1; `None` is the policy.
    pub rule: Option<usize>,
    /// What it means.
    pub effect: Effect,
}

/// What becomes of packets that a rule or policy counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// No packet goes on.
    Stops,
    /// Packets go on.
    Passes,
    /// Not known: another target, or one that depends on a program (`NFQUEUE`).
    Unknown,
}

/// What moved in a built-in chain and in those that it jumps to, in the order of the rules;
/// `None` where the rules are not the same.
pub fn moves<'a>(
    old: Option<&Table>,
    new: Option<&'a Table>,
    chain: &str,
) -> Option<Vec<Move<'a>>> {
    let mut walk = Walk::default();
    match (old, new) {
        (Some(old), Some(new)) => walk.chain(old, new, chain)?,
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => return None,
    }
    Some(walk.moves)
}

/// A walk through the rules that counted something.
#[derive(Default)]
struct Walk<'a> {
    moves: Vec<Move<'a>>,
    seen: BTreeSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn chain(&mut self, old: &Table, new: &'a Table, name: &str) -> Option<()> {
        let Some((name, now)) = new.chains.get_key_value(name) else {
            return Some(());
        };
        if !self.seen.insert(name) {
            return Some(());
        }
        let was = old.chains.get(name).filter(|was| is_same(was, now))?;
        for (index, (was, now)) in was.rules.iter().zip(&now.rules).enumerate() {
            if now.packets > was.packets {
                let jumps = new.chains.contains_key(&now.target);
                self.moves.push(Move {
                    chain: name,
                    rule: Some(index + 1),
                    effect: if jumps {
                        Effect::Passes
                    } else {
                        effect(&now.target)
                    },
                });
                if jumps {
                    self.chain(old, new, &now.target)?;
                }
            }
        }
        if let Some(policy) = now.policy.as_deref().filter(|_| now.packets > was.packets) {
            self.moves.push(Move {
                chain: name,
                rule: None,
                effect: effect(policy),
            });
        }
        Some(())
    }
}

/// What the built-in target, or policy, of this name does.
pub fn effect(target: &str) -> Effect {
    if STOPPING.contains(&target) {
        Effect::Stops
    } else if PASSING.contains(&target) {
        Effect::Passes
    } else {
        Effect::Unknown
    }
}

/// Whether only counters differ.
fn is_same(one: &Chain, two: &Chain) -> bool {
    let pairs = || one.rules.iter().zip(&two.rules);
    one.policy == two.policy
        && one.rules.len() == two.rules.len()
        && pairs().all(|(one, two)| one.target == two.target)
}
