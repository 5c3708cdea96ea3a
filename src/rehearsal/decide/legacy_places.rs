//! What the rules of legacy tables do, by their numbers.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::legacy_table::Table;
use crate::legacy::{Family, Tables};

/// Targets behind which no packet goes on, those of xtables-addons included.
const STOPPING: [&str; 6] = ["DROP", "REJECT", "TARPIT", "DELUDE", "CHAOS", "STEAL"];

/// The legacy rules of a namespace; read only when a packet meets one.
#[derive(Debug, Default)]
pub struct LegacyPlaces {
    texts: Tables,
    v4: OnceCell<BTreeMap<String, Table>>,
    v6: OnceCell<BTreeMap<String, Table>>,
}

/// What becomes of a packet that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, as far as is known.
    On,
    /// It is gone.
    Stopped,
    /// It is handed to a program.
    Queued {
        /// Whether it goes on where none listens; else it is gone.
        bypass: bool,
    },
}

impl LegacyPlaces {
    /// Those of captured tables.
    pub fn of(tables: &Tables) -> Self {
        Self {
            texts: tables.clone(),
            ..Self::default()
        }
    }

    /// The rule with this number, `None` where that is the chain's end, and what it does;
    /// nothing where there is no such chain or number.
    pub fn find(
        &self,
        family: Family,
        table: &str,
        chain: &str,
        number: usize,
    ) -> Option<(Option<usize>, Fate)> {
        let tables = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        let tables = tables.get_or_init(|| {
            let texts = self.texts.of(family).iter();
            texts
                .map(|(name, text)| (name.clone(), Table::read(text)))
                .collect()
        });
        let chains = &tables.get(table)?.chains;
        let chain = chains.get(chain)?;
        let index = number.checked_sub(1)?;
        if let Some(rule) = chain.rules.get(index) {
            let fate = match rule.target.as_str() {
                jump if chains.contains_key(jump) => Fate::On,
                "QUEUE" | "NFQUEUE" => Fate::Queued {
                    bypass: rule.bypass,
                },
                target if STOPPING.contains(&target) => Fate::Stopped,
                _ => Fate::On,
            };
            return Some((Some(number), fate));
        }
        let is_end = index == chain.rules.len();
        let policy = chain.policy.as_deref();
        is_end.then(|| match policy {
            Some(policy) if STOPPING.contains(&policy) => (None, Fate::Stopped),
            Some(_) | None => (None, Fate::On),
        })
    }
}
