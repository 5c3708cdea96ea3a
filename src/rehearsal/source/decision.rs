//! The rule that decided, in words and with its line.

use super::option::Likeness;
use super::place::of_rule;
use super::printed::{BUILT_IN, Maker, Printed};
use super::same::compare;
use super::{Place, SourceRule, Sources};
use crate::checkpoint::Part;
use crate::rehearsal::decide::Spot;
use crate::rehearsal::report::Decision;

/// Tells decisions. It asks the tools in the calling thread's network namespace, which has to be
/// the one with the rules, about each table once at most, and only where the files do not tell.
#[derive(Debug)]
pub struct Teller<'a> {
    sources: &'a Sources,
    printed: Printed,
}

/// What decided at `spot`; numbers as for [`Sources::locate`]. Asks the tools in the calling
/// thread's network namespace where the files do not tell; a tool that is missing or fails leaves
/// the text of a rule empty.
#[must_use]
pub fn decision(spot: &Spot, sources: &Sources, rules: usize, kept: usize) -> Decision {
    Teller::new(sources).decision(spot, rules, kept)
}

impl<'a> Teller<'a> {
    /// For rules that came from `sources`, or were there before.
    #[must_use]
    pub fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            printed: Printed::default(),
        }
    }

    /// As [`decision`].
    pub fn decision(&mut self, spot: &Spot, rules: usize, kept: usize) -> Decision {
        let found = match spot.rule {
            None => self.sources.locate(spot, rules, kept),
            Some(number) => self.rule(spot, number, rules, kept),
        };
        let (text, file, line) = match found {
            Some(place) => (place.text, Some(place.file), Some(place.line)),
            None => (self.text(spot, rules), None, None),
        };
        Decision {
            spot: spot.clone(),
            text,
            file,
            line,
        }
    }

    /// By number where the files tell all; where not, the text has to fit too.
    fn rule(&mut self, spot: &Spot, number: usize, rules: usize, kept: usize) -> Option<Place> {
        let sources = self.sources;
        let index = sources.index(spot, number, rules, kept);
        let by_number = index.and_then(|index| sources.rules.get(index));
        if let Some(rule) = by_number
            && sources
                .layout(spot)
                .is_some_and(|layout| sources.counts(layout))
        {
            return Some(of_rule(rule));
        }
        let printed = self.chain(spot, rules)?;
        let this = printed.get(number.checked_sub(1)?)?;
        if let Some(rule) = by_number {
            let fits = compare(rule, this) != Likeness::Different;
            return fits.then(|| of_rule(rule));
        }
        let same = |rule: &&SourceRule| compare(rule, this) == Likeness::Same;
        if printed.iter().copied().filter(same).count() > 1 {
            return None;
        }
        let here = |rule: &&SourceRule| rule.part == spot.part && rule.chain == spot.chain;
        let mut alike = sources.rules.iter().filter(here).filter(same);
        let rule = alike.next()?;
        alike.next().is_none().then(|| of_rule(rule))
    }

    /// The rules of the chain as printed, if they are as many as there should be.
    fn chain(&mut self, spot: &Spot, rules: usize) -> Option<Vec<&SourceRule>> {
        let maker = self.sources.maker(&spot.part);
        let printed = self.printed.chain(&spot.part, &spot.chain, maker);
        let here = |rule: &&SourceRule| rule.part == spot.part && rule.chain == spot.chain;
        let all: Vec<&SourceRule> = printed.rules.iter().filter(here).collect();
        (all.len() == rules).then_some(all)
    }

    /// What the tool prints.
    fn text(&mut self, spot: &Spot, rules: usize) -> String {
        match spot.rule {
            Some(number) => {
                let all = self.chain(spot, rules).unwrap_or_default();
                let rule = number.checked_sub(1).and_then(|at| all.get(at));
                rule.map(|rule| rule.text.clone()).unwrap_or_default()
            }
            None => {
                let maker = self.sources.maker(&spot.part);
                let printed = self.printed.chain(&spot.part, &spot.chain, maker);
                let place = printed.locate(spot, rules, 0);
                place.map_or_else(|| policy(spot), |place| place.text)
            }
        }
    }
}

impl Sources {
    /// Whose table it is, as far as the files tell.
    pub(super) fn maker(&self, part: &Part) -> Maker {
        let mut sections = self.layouts.sections.iter();
        let mut chains = self.layouts.chains.keys();
        if sections.any(|section| section.part == *part) {
            Maker::Iptables
        } else if chains.any(|(table, _)| table == part) {
            Maker::Nft
        } else {
            Maker::Unknown
        }
    }

    /// Whether it is known how many rules the tool makes of each of the chain's.
    fn counts(&self, layout: &super::layout::Layout) -> bool {
        let mut indexes = layout.steps.iter().filter_map(super::layout::Step::rule);
        indexes.all(|index| self.rule(index).is_some_and(|rule| rule.makes.is_some()))
    }
}

/// A policy that ends a packet's way drops it.
fn policy(spot: &Spot) -> String {
    let iptables = match spot.part {
        Part::Legacy(..) => true,
        Part::Nft(_) | Part::Set(_) => BUILT_IN.contains(&spot.chain.as_str()),
    };
    if iptables {
        format!("-P {} DROP", spot.chain)
    } else {
        "policy drop".to_owned()
    }
}
