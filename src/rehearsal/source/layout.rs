//! How the rules of a chain get to their places.

use std::collections::{BTreeMap, VecDeque};

use super::option::{self, Likeness};
use crate::checkpoint::Part;
use crate::rehearsal::source::SourceRule;

/// What the files do to each chain; empty for [`super::Sources`] that were not parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layouts {
    pub(super) chains: BTreeMap<(Part, String), Layout>,
    /// Of each rule, in the order of the rules.
    pub(super) details: Vec<Detail>,
    /// Rules that a later line takes away again; their indexes follow those of the rules.
    pub(super) gone: Vec<SourceRule>,
    /// Of each policy, in the order of the policies.
    pub(super) policy_ends: Vec<Option<usize>>,
    /// `*table` … `COMMIT`.
    pub(super) sections: Vec<Section>,
}

/// What the files do to a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub steps: Vec<Step>,
    /// Whether rules that were there before may stay.
    pub keeps: bool,
    /// Whether something is done to it that depends on what the kernel knows alone.
    pub unsure: bool,
    /// Of nft base chains: type, hook and priority as they are written.
    pub hook: Option<[String; 3]>,
    /// The candidate that names it last.
    pub candidate: String,
}

/// One thing done to a chain; rules by their index, places from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Append(usize),
    /// So that the rule has this place.
    Insert(usize, usize),
    Replace(usize, usize),
    Delete(usize),
    /// The first rule that reads like this one.
    DeleteLike(String),
}

impl Step {
    /// The rule that it brings.
    pub fn rule(&self) -> Option<usize> {
        match self {
            Self::Append(rule) | Self::Insert(_, rule) | Self::Replace(_, rule) => Some(*rule),
            Self::Delete(_) | Self::DeleteLike(_) => None,
        }
    }

    /// The rule that it brings.
    pub fn rule_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Append(rule) | Self::Insert(_, rule) | Self::Replace(_, rule) => Some(rule),
            Self::Delete(_) | Self::DeleteLike(_) => None,
        }
    }
}

/// What a rule is surrounded by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Detail {
    pub how: How,
    /// Whether nothing stands before it on its line.
    pub begins_line: bool,
    /// The line it ends on, where nothing stands behind it.
    pub ends_line: Option<usize>,
}

/// How a rule is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum How {
    /// As a line that goes to the end of its chain: `-A`, `add rule`.
    #[default]
    Append,
    /// Inside the braces of its chain.
    Block,
    /// As a line that puts it somewhere else: `-I`, `insert rule`.
    Elsewhere,
}

/// A table of a file in iptables-save format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub file: String,
    pub part: Part,
    /// The line of its `COMMIT`.
    pub commit: usize,
}

/// A place in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A rule that was there before.
    Kept,
    /// One that the tool makes of this rule.
    Rule(usize),
    /// All that the tool makes of this rule, which may be any number but zero.
    Many(usize),
}

impl Layout {
    /// The chain's rules in the end, where `kept` were there before; `None` where that cannot be told.
    pub fn play<'a>(
        &self,
        rules: impl Fn(usize) -> Option<&'a SourceRule>,
        kept: usize,
    ) -> Option<VecDeque<Slot>> {
        if self.unsure || (kept > 0 && !self.keeps) {
            return None;
        }
        let mut chain: VecDeque<Slot> = std::iter::repeat_n(Slot::Kept, kept).collect();
        for step in &self.steps {
            match step {
                Step::Append(rule) => {
                    let (slot, count) = slots(*rule, rules(*rule)?);
                    chain.extend(std::iter::repeat_n(slot, count));
                }
                Step::Insert(at, rule) => {
                    let (slot, count) = slots(*rule, rules(*rule)?);
                    let at = known(&chain, at.checked_sub(1)?)?;
                    for _ in 0..count {
                        chain.insert(at, slot);
                    }
                }
                Step::Replace(at, rule) => {
                    let at = known(&chain, *at)? - 1;
                    *chain.get_mut(at)? = match slots(*rule, rules(*rule)?) {
                        (slot @ Slot::Rule(_), 1) => slot,
                        (_, _) => return None,
                    };
                }
                Step::Delete(at) => drop(chain.remove(known(&chain, *at)?.checked_sub(1)?)?),
                Step::DeleteLike(text) => {
                    let at = deleted(&chain, &rules, text)?;
                    chain.remove(at);
                }
            }
        }
        Some(chain)
    }
}

/// The place of the first rule that reads like `text`, if it is certain which that is.
fn deleted<'a>(
    chain: &VecDeque<Slot>,
    rules: &impl Fn(usize) -> Option<&'a SourceRule>,
    text: &str,
) -> Option<usize> {
    let mut found: Option<(usize, &str)> = None;
    for (at, slot) in chain.iter().enumerate() {
        let rule = match slot {
            Slot::Kept | Slot::Many(_) => return None,
            Slot::Rule(rule) => rules(*rule)?.text.as_str(),
        };
        match (option::compare(rule, text), found) {
            (Likeness::Different, _) => {}
            (Likeness::Possible, _) => return None,
            (Likeness::Same, None) => found = Some((at, rule)),
            // The tool minds the order of matches.
            (Likeness::Same, Some((_, first))) if first != rule => return None,
            (Likeness::Same, Some(_)) => {}
        }
    }
    found.map(|(at, _)| at)
}

fn slots(index: usize, rule: &SourceRule) -> (Slot, usize) {
    match rule.makes {
        Some(count) => (Slot::Rule(index), count),
        None => (Slot::Many(index), 1),
    }
}

/// `length`, if the chain is that long and what it begins with is of known length.
fn known(chain: &VecDeque<Slot>, length: usize) -> Option<usize> {
    let many = |slot: &Slot| matches!(slot, Slot::Many(_));
    let known = length <= chain.len() && !chain.range(..length).any(many);
    known.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::Kind;
    use crate::legacy::Family;

    fn rules(makes: &[Option<usize>]) -> Vec<SourceRule> {
        let rule = |(at, makes): (usize, &Option<usize>)| SourceRule {
            file: "f".to_owned(),
            line: at + 1,
            kind: Kind::IptablesV4,
            part: Part::Legacy(Family::V4, "filter".to_owned()),
            chain: "INPUT".to_owned(),
            text: format!("-A INPUT -p tcp --dport {at} -j DROP"),
            makes: *makes,
        };
        makes.iter().enumerate().map(rule).collect()
    }

    fn play(makes: &[Option<usize>], kept: usize, steps: Vec<Step>) -> Option<Vec<Slot>> {
        let layout = Layout {
            steps,
            keeps: true,
            ..Layout::default()
        };
        let rules = rules(makes);
        let played = layout.play(|index| rules.get(index), kept);
        played.map(|chain| chain.into_iter().collect())
    }

    #[test]
    fn inserts_go_before_what_is_there() {
        use Slot::{Kept, Rule};
        let steps = vec![Step::Append(0), Step::Insert(1, 1), Step::Insert(3, 2)];
        let played = play(&[Some(1), Some(2), Some(1)], 1, steps).unwrap();
        assert_eq!(played, [Rule(1), Rule(1), Rule(2), Kept, Rule(0)]);
    }

    #[test]
    fn a_place_behind_an_unknown_number_of_rules_is_unknown() {
        let steps = |at| vec![Step::Append(0), Step::Append(1), Step::Insert(at, 2)];
        let makes = [Some(1), None, Some(1)];
        assert!(play(&makes, 0, steps(2)).is_some());
        assert_eq!(play(&makes, 0, steps(3)), None);
        assert_eq!(play(&makes, 0, steps(9)), None);
        assert_eq!(play(&makes, 0, steps(0)), None);
    }

    #[test]
    fn deletion_takes_the_first_that_is_equal() {
        let like = Step::DeleteLike("-D INPUT --protocol 6 -m tcp --dport 1 -j DROP".to_owned());
        let steps = || vec![Step::Append(0), Step::Append(1), like.clone()];
        let makes = [Some(1), Some(1)];
        assert_eq!(play(&makes, 0, steps()).unwrap(), [Slot::Rule(0)]);
        assert_eq!(play(&makes, 1, steps()), None);
    }
}
