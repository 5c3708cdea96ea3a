//! Rules that no packet comes to.

use std::collections::{BTreeMap, HashMap};

use super::doubled;
use super::study::{Piece, Study, Weight};
use crate::rehearsal::anatomy::{Anatomy, Chain, Rule, Unit, Verdict, units};

/// How many earlier rules are compared with one rule at most.
const COMPARED: usize = 64;

/// Says which, and what takes their packets; rules that one earlier rule idles are told together.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let doubled = doubled::chains(study);
    let mut pieces = Vec::new();
    for chain in &study.after.chains {
        let place = (&chain.part, chain.name.as_str());
        if !study.is_own(chain) || doubled.contains_key(&place) {
            continue;
        }
        let mut by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (later, earlier) in shadowed(chain, &study.after) {
            by.entry(earlier).or_default().push(later);
        }
        pieces.extend(
            by.iter()
                .filter_map(|(earlier, idle)| tell(study, chain, *earlier, idle)),
        );
    }
    pieces
}

fn tell(study: &Study<'_>, chain: &Chain, earlier: usize, idle: &[usize]) -> Option<Piece> {
    let first = *idle.first()?;
    let rule = |at: usize| chain.rules.get(at);
    let all = &study.after;
    let same = units(rule(earlier)?, all) == units(rule(first)?, all);
    let by = study.name(chain, Some(earlier + 1));
    let more = match idle.len() {
        1 => String::new(),
        2 => "this and 1 more rule behind it".to_owned(),
        count => format!("this and {} more rules behind it", count - 1),
    };
    let subject = if more.is_empty() { "this rule" } else { &more };
    let alike = same && rule(earlier)?.verdict == rule(first)?.verdict && idle.len() == 1;
    let (weight, message) = if alike {
        let message = format!("the same rule stands before it ({by}); one of the two will do");
        (Weight::Untidy, message)
    } else {
        let message = format!(
            "{subject} can never match: {by} comes first and takes all such packets; move it behind, \
             or take {} out",
            if idle.len() == 1 { "this one" } else { "these" }
        );
        (Weight::Idle, message)
    };
    Some(study.about(weight, chain, Some(first + 1), message))
}

/// Rules and the earlier rule that takes all their packets, by their places from 0.
fn shadowed(chain: &Chain, all: &Anatomy) -> Vec<(usize, usize)> {
    let (conditions, count) = numbered(chain, all);
    let mut found = Vec::new();
    let mut takes_all = None;
    // Earlier rules that end it for what they match, under their rarest condition.
    let mut ending: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, (rule, own)) in chain.rules.iter().zip(&conditions).enumerate() {
        if let Some(earlier) = takes_all {
            found.push((at, earlier));
            continue;
        }
        let Some(own) = own else {
            // Not comparable itself, yet what it needs besides may be seen.
            continue;
        };
        let covering = own.iter().find_map(|unit| {
            let candidates = ending.get(unit)?.iter().take(COMPARED);
            candidates.copied().find(|earlier| {
                let theirs = conditions.get(*earlier).and_then(Option::as_ref);
                theirs
                    .is_some_and(|theirs| theirs.iter().all(|unit| own.binary_search(unit).is_ok()))
            })
        });
        if let Some(earlier) = covering {
            found.push((at, earlier));
            continue;
        }
        if !ends(chain, rule, all, 0) {
            continue;
        }
        match own.iter().min_by_key(|unit| count.get(**unit)) {
            None => takes_all = Some(at),
            Some(rarest) => ending.entry(*rarest).or_default().push(at),
        }
    }
    found
}

/// The conditions of each rule by their numbers, sorted; how often each number occurs.
fn numbered(chain: &Chain, all: &Anatomy) -> (Vec<Option<Vec<usize>>>, Vec<usize>) {
    let mut numbers: HashMap<Unit, usize> = HashMap::new();
    let mut count: Vec<usize> = Vec::new();
    let conditions = chain.rules.iter().map(|rule| {
        let mut own: Vec<usize> = Vec::new();
        for unit in units(rule, all)? {
            let next = count.len();
            let number = *numbers.entry(unit).or_insert(next);
            match count.get_mut(number) {
                Some(times) => *times += 1,
                None => count.push(1),
            }
            own.push(number);
        }
        own.sort_unstable();
        Some(own)
    });
    let conditions = conditions.collect();
    (conditions, count)
}

/// Whether no packet that the rule matches comes to the next rule.
fn ends(chain: &Chain, rule: &Rule, all: &Anatomy, depth: usize) -> bool {
    match &rule.verdict {
        Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Goto(_) => true,
        Verdict::Jump(name) => all
            .chain(&chain.part, name)
            .is_some_and(|target| depth < 8 && keeps(target, all, depth + 1)),
        // It need not be done: a program may be absent, an address may be missing.
        Verdict::Queue | Verdict::Translate | Verdict::None => false,
    }
}

/// Whether nothing that enters the chain comes back.
fn keeps(chain: &Chain, all: &Anatomy, depth: usize) -> bool {
    for rule in &chain.rules {
        let verdicts = all.verdicts(rule);
        let returns = |verdict: &&&Verdict| matches!(verdict, Verdict::Return);
        if verdicts.iter().any(|verdict| returns(&verdict)) {
            return false;
        }
        // What a goto leads to comes back to where this chain was entered from.
        for verdict in &verdicts {
            if let Verdict::Goto(name) = verdict {
                let target = all.chain(&chain.part, name);
                if !target.is_some_and(|target| depth < 8 && keeps(target, all, depth + 1)) {
                    return false;
                }
            }
        }
        let unconditional = units(rule, all).is_some_and(|units| units.is_empty());
        if unconditional && ends(chain, rule, all, depth) {
            return true;
        }
    }
    false
}
