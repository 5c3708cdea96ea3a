//! Which chains a packet passes before which others.

use super::compare::{Compare, Pair};
use super::expressions::{self, Expression};
use super::kernel::{chain, expression};
use super::model::{Chain, Table};
use crate::netlink::find;

/// `NFPROTO_INET`, `NFPROTO_IPV4`, `NFPROTO_NETDEV`, `NFPROTO_IPV6`.
const INET: u8 = 1;
const IPV4: u8 = 2;
const NETDEV: u8 = 5;
const IPV6: u8 = 10;
/// `NF_INET_PRE_ROUTING` and its like (`linux/netfilter.h`); bridge hooks have the same numbers.
const PREROUTING: u32 = 0;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;
const INGRESS: u32 = 5;

/// Where a base chain stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    family: u8,
    hook: u32,
    priority: i32,
}

impl Place {
    /// The place of `one`, a base chain of a table of `family` that is not for address translation.
    pub fn of(family: u8, one: &Chain) -> Option<Self> {
        let kind = find(&one.attributes, chain::TYPE)?.text();
        let hook = find(&one.attributes, chain::HOOK)?;
        let number = |kind| find(hook.payload, kind).and_then(|one| one.be32());
        (kind != "nat").then_some(Self {
            family,
            hook: number(chain::HOOK_NUMBER)?,
            priority: number(chain::HOOK_PRIORITY)?.cast_signed(),
        })
    }

    /// Whether a packet may pass a chain here before one at `later`; chains of
    /// equal priority come in an order that is not known.
    fn may_precede(self, later: Self) -> bool {
        let ip = |family| matches!(family, INET | IPV4 | IPV6);
        let meet = self.family == later.family
            || ip(self.family) && ip(later.family) && (self.family == INET || later.family == INET);
        let first = self.family == NETDEV && later.family != NETDEV;
        first
            || meet
                && match (self.hook, later.hook) {
                    (one, two) if one == two => self.priority <= later.priority,
                    (INGRESS, _) => true,
                    (PREROUTING, two) => !matches!(two, OUTPUT | INGRESS),
                    (FORWARD | OUTPUT, two) => two == POSTROUTING,
                    _ => false,
                }
    }
}

/// A base chain of a target that may stop packets.
#[derive(Debug)]
pub struct Stop<'a> {
    place: Place,
    chain: &'a Chain,
    target: &'a Table,
    live: Option<&'a Table>,
}

impl<'a> Stop<'a> {
    /// Those of `target`, which `live` is to become.
    pub fn all(live: Option<&'a Table>, target: &'a Table) -> impl Iterator<Item = Self> {
        let chains = target.named_chains().filter(|one| may_stop(one));
        chains.filter_map(move |chain| {
            Some(Self {
                place: Place::of(target.id.family, chain)?,
                chain,
                target,
                live,
            })
        })
    }

    /// Whether it is not in force already.
    fn is_new(&self) -> bool {
        self.live
            .is_none_or(|live| differs(self.target, live, self.chain))
    }
}

/// Whether `one`, a chain of `live` that stays, stops packets that from now on
/// one of `stops` may have to stop before it.
pub fn is_relieved(live: &Table, target: &Table, one: &Chain, stops: &[Stop<'_>]) -> bool {
    let Some(place) = Place::of(live.id.family, one).filter(|_| may_stop(one)) else {
        return false;
    };
    let mut earlier = stops.iter().filter(|stop| {
        let itself = stop.target.id == live.id && stop.chain.name == one.name;
        !itself && stop.place.may_precede(place)
    });
    earlier.any(Stop::is_new) && differs(live, target, one)
}

/// Whether elements change together with something else: rules are those from when
/// the packet entered the chain, but elements are looked up as of the moment.
pub fn is_mixed(live: &Table, target: &Table) -> bool {
    let mut pair = Pair::new(live, target, Compare::Rules);
    let mut sets = 0;
    for one in live.named_sets() {
        let same = target.named_sets().find(|other| other.name == one.name);
        if same.is_some_and(|same| !pair.elements(one, same)) {
            sets += 1;
        }
    }
    let mut other_rules = || {
        live.named_chains().any(|one| {
            let same = target.named_chains().find(|other| other.name == one.name);
            same.is_none_or(|same| !pair.rules(one, same))
        })
    };
    sets > 1 || sets == 1 && other_rules()
}

/// Whether `one` is a chain that may stop packets, and not for address translation.
pub fn is_stop(live: &Table, one: &Chain) -> bool {
    Place::of(live.id.family, one).is_some() && may_stop(one)
}

/// Whether a base chain, or anything that it may use, is not the same in `other`.
fn differs(table: &Table, other: &Table, one: &Chain) -> bool {
    let mut pair = Pair::new(table, other, Compare::Rules);
    let same = other.named_chains().find(|chain| chain.name == one.name);
    same.is_none_or(|same| !pair.chains(one, same) || !pair.rules(one, same))
        || !pair.equal_apart_from_hooks()
}

fn may_stop(one: &Chain) -> bool {
    one.drops()
        || one
            .rules
            .iter()
            .flat_map(expressions::of_rule)
            .any(|one| stopping(&one))
}

/// Whether the expression may stop a packet, or lead to where it is stopped.
fn stopping(one: &Expression<'_>) -> bool {
    match one.name {
        b"immediate" => {
            let data = find(one.data, expression::IMMEDIATE_DATA);
            let verdict = data.and_then(|data| find(data.payload, expression::DATA_VERDICT));
            verdict.is_some_and(|verdict| {
                let code = find(verdict.payload, expression::VERDICT_CODE);
                find(verdict.payload, expression::VERDICT_CHAIN).is_some()
                    || code.and_then(|code| code.be32()) == Some(chain::DROP)
            })
        }
        b"lookup" => find(one.data, expression::LOOKUP_DREG).is_some(),
        b"reject" | b"queue" | b"synproxy" | b"fwd" => true,
        b"target" => find(one.data, expression::XT_NAME).is_some_and(|name| {
            matches!(
                expressions::bare(name.payload),
                b"REJECT" | b"NFQUEUE" | b"SYNPROXY"
            )
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(family: u8, hook: u32, priority: i32) -> Place {
        Place {
            family,
            hook,
            priority,
        }
    }

    #[test]
    fn packets_pass_hooks_in_order() {
        let input = place(IPV4, 1, 0);
        assert!(place(IPV4, PREROUTING, 300).may_precede(input));
        assert!(place(INET, INGRESS, 0).may_precede(input));
        assert!(place(NETDEV, 0, 0).may_precede(input));
        assert!(place(INET, 1, -1).may_precede(input));
        assert!(place(IPV4, 1, 0).may_precede(input));
        assert!(!place(IPV4, 1, 1).may_precede(input));
        assert!(!place(IPV6, PREROUTING, 0).may_precede(input));
        assert!(!place(IPV4, FORWARD, 0).may_precede(input));
        assert!(!input.may_precede(place(IPV4, POSTROUTING, 0)));
    }
}
