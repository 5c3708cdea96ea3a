//! What a rehearsal of these rules cannot show, so that "open" is never said of it.

mod attached;
mod elsewhere;
mod feature;
mod find;
mod live;
mod names;
mod reach;
mod senders;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub use elsewhere::sends_on;
pub use feature::{Feature, Weight};
pub use find::features;
pub use live::Live;

use super::Flow;
use super::anatomy::Anatomy;
use super::decide::Spot;
use super::host::Host;
use super::locate::Locator;
use super::probe::Side;
use super::source::Sources;
use crate::checkpoint::Snapshot;
use reach::Reach;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limited<'a> {
    /// The candidates' rules.
    pub sources: &'a Sources,
    /// The rules that are live now.
    pub checkpoint: &'a Snapshot,
    /// The rules as they are after the change, or those that are live if nothing changes.
    pub rules: &'a Snapshot,
    /// This host.
    pub host: &'a Host,
    /// What the kernel remembers beside the rules.
    pub live: &'a Live,
}

/// Something that is not rehearsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What and why, in words for people.
    pub message: String,
    /// The file that it stands in; `None` where it is not the candidate's.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// Whether there are rows of which "open" cannot be trusted for it: [`Limits::doubt`] tells which.
    pub is_decisive: bool,
}

/// All that is not rehearsed.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// For people; those that make rows doubtful first.
    pub list: Vec<Limit>,
    all: Anatomy,
    reach: Reach,
    doubtful: BTreeMap<Place, Vec<Doubtful>>,
    bridged: Option<usize>,
}

/// Why the outcome of a rule is doubtful.
#[derive(Debug, Clone)]
struct Doubtful {
    /// In the list.
    limit: usize,
    outbound: bool,
    /// Whether it is doubtful only where hardware addresses are not the host's.
    hardware: bool,
    addresses: Option<BTreeSet<IpAddr>>,
}

impl Limits {
    /// Why "open" cannot be trusted for a flow that `side` begins; `None` if it can.
    #[must_use]
    pub fn doubt(&self, side: Side, flow: &Flow) -> Option<&Limit> {
        self.first(side, flow, false)
    }

    /// A rule that packets of the flow may match and that looks at hardware addresses: "open"
    /// cannot be trusted where the rehearsal does not have those of the host.
    #[must_use]
    pub fn hardware(&self, side: Side, flow: &Flow) -> Option<&Limit> {
        self.first(side, flow, true)
    }

    fn first(&self, side: Side, flow: &Flow, hardware: bool) -> Option<&Limit> {
        let of_addresses = |addresses: &BTreeSet<IpAddr>| {
            let ends = [flow.source.ip(), flow.destination.ip()];
            ends.iter().any(|ip| addresses.contains(ip))
        };
        let met = self.reach.met(&self.all, side, flow);
        let reasons = met
            .iter()
            .filter_map(|place| self.doubtful.get(place))
            .flatten();
        let found = reasons
            .filter(|one| one.hardware == hardware)
            .filter(|one| !one.outbound || side == Side::Host)
            .filter(|one| one.addresses.as_ref().is_none_or(of_addresses))
            .map(|one| one.limit)
            .chain(self.bridged.filter(|_| !hardware))
            .min();
        self.list.get(found?)
    }
}

/// What of `input` a rehearsal does not show.
#[must_use]
pub fn limits(input: &Limited<'_>) -> Limits {
    let all = Anatomy::of(input.rules);
    let locator = Locator::new(input.sources, input.checkpoint, input.rules);
    let mut limits = Limits::default();
    let mut told = Vec::new();
    for (feature, rules) in sorts(input, &all) {
        let Some(limit) = limit(&all, &locator, &feature, &rules) else {
            continue;
        };
        let doubtful = match feature.weight() {
            Weight::All => Some((false, None)),
            Weight::Outbound => Some((true, None)),
            Weight::Listed(name) => {
                addresses(input.live, &name).map(|addresses| (false, Some(addresses)))
            }
            Weight::None => None,
        };
        let Some((outbound, addresses)) = doubtful else {
            told.push((
                limit,
                if feature == Feature::Hardware {
                    rules
                } else {
                    Vec::new()
                },
            ));
            continue;
        };
        for rule in rules {
            limits.doubtful.entry(rule).or_default().push(Doubtful {
                limit: limits.list.len(),
                outbound,
                hardware: false,
                addresses: addresses.clone(),
            });
        }
        limits.list.push(Limit {
            is_decisive: true,
            ..limit
        });
    }
    if let Some(limit) = elsewhere::bridge(&all, input.host) {
        limits.bridged = Some(limits.list.len());
        limits.list.push(limit);
    }
    for (limit, hardware) in told {
        for rule in hardware {
            limits.doubtful.entry(rule).or_default().push(Doubtful {
                limit: limits.list.len(),
                outbound: false,
                hardware: true,
                addresses: None,
            });
        }
        limits.list.push(limit);
    }
    limits.list.extend(elsewhere::forwarded(&all, &locator));
    limits.list.extend(elsewhere::expiring(input.rules));
    limits.list.extend(elsewhere::unread(input.live));
    limits.reach = Reach::new(&all, limits.doubtful.keys().copied().collect());
    limits.all = all;
    limits
}

/// A rule: places of its chain and of itself.
type Place = (usize, usize);

/// Rules by what a rehearsal does not show of them.
fn sorts(input: &Limited<'_>, all: &Anatomy) -> BTreeMap<Feature, Vec<Place>> {
    let marks = find::reads_marks(all);
    // `ARPHRD_LOOPBACK`
    let is_ethernet = |hardware: u16| matches!(hardware, find::ETHERNET | 772);
    let ethernet = (input.host.links.values()).all(|link| is_ethernet(link.hardware));
    let mut sorts: BTreeMap<Feature, Vec<Place>> = BTreeMap::new();
    for (at, chain) in all.chains.iter().enumerate() {
        for (number, rule) in chain.rules.iter().enumerate() {
            if find::matters(rule, marks) {
                for feature in features(rule, all) {
                    sorts.entry(feature).or_default().push((at, number));
                }
            }
        }
    }
    if ethernet {
        sorts.remove(&Feature::Ethernet);
    }
    sorts
}

/// Tells of rules of one sort once.
fn limit(
    all: &Anatomy,
    locator: &Locator<'_>,
    feature: &Feature,
    rules: &[Place],
) -> Option<Limit> {
    let (chain, number) = rules.first()?;
    let chain = all.chains.get(*chain)?;
    let spot = Spot {
        part: chain.part.clone(),
        chain: chain.name.clone(),
        rule: Some(number + 1),
        reply: false,
    };
    let place = locator.locate(&spot);
    let more = match rules.len() {
        1 => String::new(),
        count => format!(" (and {} more like it)", count - 1),
    };
    Some(Limit {
        message: format!("{}{more}: {}", locator.quote(&spot), feature.reason()),
        file: place.as_ref().map(|place| place.file.clone()),
        line: place.map(|place| place.line),
        is_decisive: false,
    })
}

/// The addresses in a list, if there are any.
fn addresses(live: &Live, list: &str) -> Option<BTreeSet<IpAddr>> {
    let found = live.lists.get(list)?;
    (!found.is_empty()).then(|| found.clone())
}
