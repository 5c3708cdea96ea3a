//! What may become of a packet, as far as it can be told without the kernel.

use std::collections::HashMap;

use super::{Anatomy, Answer, Body, Chain, Hook, Kind, Packet, Rule, Verdict, run, words};

/// Ways that a packet may end; any of them may be possible at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// A rule lets it through.
    pub accepted: bool,
    /// A rule drops it.
    pub dropped: bool,
    /// It comes to the end of the chain.
    pub passes: bool,
}

impl Fate {
    const PASSES: Self = Self {
        accepted: false,
        dropped: false,
        passes: true,
    };
    const ANY: Self = Self {
        accepted: true,
        dropped: true,
        passes: true,
    };

    const fn or(self, other: Self) -> Self {
        Self {
            accepted: self.accepted || other.accepted,
            dropped: self.dropped || other.dropped,
            passes: self.passes || other.passes,
        }
    }
}

/// Walks of one packet through chains.
#[derive(Debug)]
pub struct Walk<'a> {
    all: &'a Anatomy,
    packet: Packet,
    known: HashMap<usize, Fate>,
}

/// Jumps deeper than this (`NFT_JUMP_STACK_SIZE`) are refused by the kernel.
const DEPTH: usize = 16;

impl<'a> Walk<'a> {
    /// Of `packet`.
    #[must_use]
    pub fn new(all: &'a Anatomy, packet: Packet) -> Self {
        Self {
            all,
            packet,
            known: HashMap::new(),
        }
    }

    /// The filtering base chains that the packet meets at `hook`, in order.
    #[must_use]
    pub fn bases(&self, hook: Hook) -> Vec<&'a Chain> {
        let mut found: Vec<(&Chain, i32)> = (self.all.chains.iter())
            .filter(|chain| chain.sees(self.packet.v6) && !is_link_layer(chain))
            .filter_map(|chain| chain.base.map(|base| (chain, base)))
            .filter(|(_, base)| base.hook == hook && base.kind != Kind::Nat)
            .map(|(chain, base)| (chain, base.priority))
            .collect();
        found.sort_by_key(|(_, priority)| *priority);
        found.into_iter().map(|(chain, _)| chain).collect()
    }

    /// What may become of it in `chain`, its policy aside.
    #[must_use]
    pub fn through(&mut self, chain: &Chain) -> Fate {
        self.chain(chain, 0)
    }

    /// Whether some base chain at `hook` certainly drops it, by rule or by policy.
    #[must_use]
    pub fn certainly_dropped(&mut self, hook: Hook) -> Option<&'a Chain> {
        let bases = self.bases(hook);
        bases.into_iter().find(|chain| {
            let fate = self.through(chain);
            !fate.accepted && (!fate.passes || !chain.lets_pass())
        })
    }

    /// Where the packet certainly ends that `chain` certainly drops: a chain, and the place of a
    /// rule in it, or its policy.
    #[must_use]
    pub fn end(&mut self, chain: &'a Chain) -> (&'a Chain, Option<usize>) {
        let (mut at, mut found) = (chain, None);
        // Deeper than the kernel lets jumps go.
        for _ in 0..DEPTH {
            let Some((place, verdicts)) = self.stopper(at) else {
                break;
            };
            found = Some((at, Some(place)));
            let next = match verdicts.as_slice() {
                [Verdict::Jump(name) | Verdict::Goto(name)] => self.all.chain(&at.part, name),
                _ => None,
            };
            let Some(next) = next.filter(|next| !self.through(next).passes) else {
                break;
            };
            at = next;
        }
        found.unwrap_or((chain, None))
    }

    /// The first rule of `chain` behind which the packet certainly does not come.
    fn stopper(&mut self, chain: &'a Chain) -> Option<(usize, Vec<&'a Verdict>)> {
        for (at, rule) in chain.rules.iter().enumerate() {
            let (answer, verdicts) = self.hits(rule);
            let mut goes_on = |verdict: &&Verdict| self.verdict(chain, verdict, 0).1;
            if answer == Answer::Yes && !verdicts.is_empty() && !verdicts.iter().any(&mut goes_on) {
                return Some((at, verdicts));
            }
        }
        None
    }

    /// Whether it reaches the end of all base chains at `hook`, and none of their policies drops it.
    #[must_use]
    pub fn falls_through(&mut self, hook: Hook) -> bool {
        let bases = self.bases(hook);
        bases
            .into_iter()
            .all(|chain| self.through(chain).passes && chain.lets_pass())
    }

    /// Whether a rule matches it, and the verdicts that it then may get.
    #[must_use]
    pub fn hits(&self, rule: &'a Rule) -> (Answer, Vec<&'a Verdict>) {
        match &rule.body {
            Body::Code(ops) => {
                let (answer, mapped) = run::run(ops, &self.packet, self.all);
                (answer, mapped.unwrap_or_else(|| vec![&rule.verdict]))
            }
            Body::Words(clauses) => (words::matches(clauses, &self.packet), vec![&rule.verdict]),
        }
    }

    fn chain(&mut self, chain: &Chain, depth: usize) -> Fate {
        let place = (chain.part.clone(), chain.name.clone());
        let Some(at) = self.all.index.get(&place).copied() else {
            return Fate::ANY;
        };
        if let Some(fate) = self.known.get(&at) {
            return *fate;
        }
        if depth > DEPTH {
            return Fate::ANY;
        }
        let all = self.all;
        let mut fate = Fate::default();
        let mut certain = false;
        for rule in all.chains.get(at).map_or(&[][..], |chain| &chain.rules) {
            let (answer, verdicts) = self.hits(rule);
            if answer == Answer::No {
                continue;
            }
            let mut stays = verdicts.is_empty();
            for verdict in verdicts {
                let (ends, goes_on) = self.verdict(chain, verdict, depth);
                fate = fate.or(ends);
                stays |= goes_on;
            }
            if answer == Answer::Yes && !stays {
                certain = true;
                break;
            }
        }
        if !certain {
            fate = fate.or(Fate::PASSES);
        }
        self.known.insert(at, fate);
        fate
    }

    /// How a packet may leave the chain by `verdict`, and whether it may go on to the next rule.
    fn verdict(&mut self, chain: &Chain, verdict: &Verdict, depth: usize) -> (Fate, bool) {
        let end = |accepted, dropped, passes| Fate {
            accepted,
            dropped,
            passes,
        };
        match verdict {
            Verdict::None => (Fate::default(), true),
            Verdict::Accept | Verdict::Translate => (end(true, false, false), false),
            Verdict::Drop => (end(false, true, false), false),
            Verdict::Return => (end(false, false, true), false),
            Verdict::Queue => (end(true, true, false), false),
            Verdict::Jump(name) => {
                let fate = self.named(chain, name, depth);
                (end(fate.accepted, fate.dropped, false), fate.passes)
            }
            Verdict::Goto(name) => (self.named(chain, name, depth), false),
        }
    }

    fn named(&mut self, from: &Chain, name: &str, depth: usize) -> Fate {
        let all = self.all;
        match all.chain(&from.part, name) {
            Some(chain) => self.chain(chain, depth + 1),
            None => Fate::ANY,
        }
    }
}

/// Chains of ARP and of bridge ports; those of devices come before them and are looked at.
fn is_link_layer(chain: &Chain) -> bool {
    matches!(&chain.part, crate::checkpoint::Part::Nft(id) if matches!(id.family, 3 | 7))
}
