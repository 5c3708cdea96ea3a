//! The steps around a change of rules; see the module's documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Order, build_all, elements, temporary_name};
use super::reseat::reseat;
use super::wire::{self, Refusal};
use super::{Error, Set, Sets, TEMPORARY_PREFIX, indexes};

/// What [`Sets::prepare`] leaves to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Prepared {
    temporary: BTreeMap<String, String>,
    live: Sets,
    target: Sets,
    names: Vec<String>,
}

impl Prepared {
    /// Sets whose type changed while something refers to them: the set's name
    /// to the temporary name under which its new content is.
    #[must_use]
    pub const fn temporary(&self) -> &BTreeMap<String, String> {
        &self.temporary
    }

    /// Step 3, once no rule refers to the old sets: makes the new ones under
    /// their real names. The temporary ones stay, for the rules refer to them.
    ///
    /// # Errors
    /// [`Refusal::InUse`] when something still refers to an old set; other
    /// errors when a new one cannot be built.
    pub fn finish(&self) -> Result<(), Error> {
        destroy_doomed(&self.live, &self.target, &self.names, |_| true);
        let landed = land(&self.live, &self.target, &self.temporary)?;
        match self.temporary.keys().find(|name| !landed.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(refused(name, "replaced", Refusal::InUse)),
        }
    }
}

impl Sets {
    /// Step 1, before the rules change: brings the sets `names` to what they are
    /// in `target` (members, counters, remaining time), keeping their indexes.
    /// Sets that are not in `target` are left for [`Sets::settle`]. `live` is
    /// what was captured before.
    ///
    /// # Errors
    /// When a set cannot be built, which is tried for all (sets of sets apart)
    /// before any is changed; or the kernel refuses to exchange two sets.
    pub fn prepare(live: &Self, target: &Self, names: &[String]) -> Result<Prepared, Error> {
        sweep();
        let existing = indexes()?;
        let wanted = target.sets.iter().filter(|set| names.contains(&set.name));
        let (lists, plain): (Vec<&Set>, Vec<&Set>) = wanted.partition(|set| set.is_list());
        let mut moved = BTreeMap::new();
        exchange(target, &plain, &mut moved)?;
        reseat(target, &plain, &doomed(live, target, names), &moved)?;

        let affected = containing(target, |element| moved.contains_key(element))
            .filter(|list| existing.contains_key(&list.name) && !names.contains(&list.name));
        let lists: Vec<&Set> = lists.into_iter().chain(affected).collect();
        exchange(target, &lists, &mut moved)?;
        reseat(target, &lists, &doomed(live, target, names), &moved)?;

        if !moved.is_empty() {
            // Where no rule refers to a set of sets either, nothing need wait for it.
            destroy_doomed(live, target, names, Set::is_list);
        }
        for name in land(live, target, &moved)? {
            if let Some(temporary) = moved.remove(&name) {
                // One that stays is cleared away when settling.
                let _ = wire::destroy(&temporary);
            }
        }
        Ok(Prepared {
            temporary: moved,
            live: live.clone(),
            target: target.clone(),
            names: names.to_vec(),
        })
    }

    /// Step 4, after the rules: destroys those of the sets `names` that are not
    /// in `target`, and all temporary ones. Returns what went wrong, having
    /// tried all.
    #[must_use]
    pub fn settle(live: &Self, target: &Self, names: &[String]) -> Vec<Error> {
        let mut errors = Vec::new();
        for name in doomed(live, target, names) {
            match wire::destroy(name) {
                Ok(()) | Err(Refusal::Missing) => {}
                Err(refusal) => errors.push(refused(name, "destroyed", refusal)),
            }
        }
        let left = sweep();
        errors.extend(
            left.into_iter()
                .map(|(name, why)| refused(&name, "destroyed", why)),
        );
        errors
    }
}

fn refused(name: &str, action: &'static str, reason: Refusal) -> Error {
    Error::Kernel {
        name: name.to_owned(),
        action,
        reason,
    }
}

/// The sets to be destroyed, sets of sets first, for they refer to others.
fn doomed<'a>(live: &Sets, target: &Sets, names: &'a [String]) -> Vec<&'a String> {
    let gone = names.iter().filter(|name| target.get(name).is_none());
    let (mut lists, plain): (Vec<_>, Vec<_>) =
        gone.partition(|name| live.get(name).is_some_and(Set::is_list));
    lists.extend(plain);
    lists
}

/// Destroys those that `which` picks of the sets that are not to be there; one
/// that stays in use is reported when settling.
fn destroy_doomed(live: &Sets, target: &Sets, names: &[String], which: fn(&Set) -> bool) {
    for name in doomed(live, target, names) {
        if live.get(name).is_some_and(which) {
            let _ = wire::destroy(name);
        }
    }
}

/// The sets of sets in `target` with a member that `wanted` picks.
fn containing(target: &Sets, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &Set> {
    let lists = target.sets.iter().filter(|set| set.is_list());
    lists.filter(move |list| elements(list).any(&wanted))
}

/// Builds each of `sets` and puts it in the place of the live one. Those for
/// which that cannot be are added to `moved`; members that are in `moved` are
/// referred to by their temporary names.
fn exchange<'a>(
    target: &Sets,
    sets: &[&'a Set],
    moved: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let existing = indexes()?;
    let free_names = (0_u32..).map(|number| temporary_name(&number.to_string()));
    let mut free_names = free_names.filter(|name| !existing.contains_key(name));
    let order = |set: &&'a Set| {
        let missing = !existing.contains_key(&set.name);
        Order {
            set,
            name: free_names.next().unwrap_or_default(),
            wanted: target.indexes.get(&set.name).copied().filter(|_| missing),
        }
    };
    let orders: Vec<Order<'_>> = sets.iter().map(order).collect();
    let built: Vec<(&Set, String)> = orders.iter().map(|o| (o.set, o.name.clone())).collect();
    build_all(orders, moved)?;
    for (set, temporary) in built {
        if !take_place(&set.name, &temporary)? {
            moved.insert(set.name.clone(), temporary);
        }
    }
    Ok(())
}

/// Makes the set `temporary` the one called `name`; `false` when the types are
/// too different to be exchanged.
fn take_place(name: &str, temporary: &str) -> Result<bool, Error> {
    match wire::swap(temporary, name) {
        Ok(()) => {
            // Nothing refers to what was swapped out; settling tries again.
            let _ = wire::destroy(temporary);
            Ok(true)
        }
        Err(Refusal::TypeMismatch) => Ok(false),
        Err(Refusal::Missing | Refusal::NameTaken) => {
            wire::rename(temporary, name).map_err(|why| refused(name, "renamed", why))?;
            Ok(true)
        }
        Err(refusal) => Err(refused(name, "swapped", refusal)),
    }
}

/// Destroys the live sets in `moved` that nothing refers to and makes the new
/// ones under their names; tells which. Sets of sets follow.
fn land(
    live: &Sets,
    target: &Sets,
    moved: &BTreeMap<String, String>,
) -> Result<BTreeSet<String>, Error> {
    let (lists, plain): (Vec<_>, Vec<_>) = moved
        .keys()
        .partition(|name| live.get(name).is_some_and(Set::is_list));
    let mut landed = BTreeSet::new();
    for name in lists.into_iter().chain(plain) {
        match wire::destroy(name) {
            Ok(()) | Err(Refusal::Missing) => {
                landed.insert(name.clone());
            }
            Err(Refusal::InUse) => {}
            Err(refusal) => return Err(refused(name, "destroyed", refusal)),
        }
    }
    let mut waiting = moved.clone();
    waiting.retain(|name, _| !landed.contains(name));
    let (lists, plain): (Vec<&Set>, Vec<&Set>) = target
        .sets
        .iter()
        .filter(|set| landed.contains(&set.name))
        .partition(|set| set.is_list());
    for sets in [plain, lists] {
        let orders = sets.iter().map(|set| {
            let at = target.indexes.get(&set.name);
            let at = at.or_else(|| live.indexes.get(&set.name));
            Order {
                set,
                name: set.name.clone(),
                wanted: at.copied(),
            }
        });
        if let Err(error) = build_all(orders.collect(), &waiting) {
            // Better at another index than not there at all.
            for set in sets {
                let temporary = moved.get(&set.name).map_or("", String::as_str);
                let _ = wire::rename(temporary, &set.name);
            }
            return Err(error);
        }
    }
    let existing = indexes()?;
    let following: Vec<&Set> = containing(target, |element| landed.contains(element))
        .filter(|list| existing.contains_key(&list.name) && !moved.contains_key(&list.name))
        .collect();
    exchange(target, &following, &mut waiting)?;
    Ok(landed)
}

/// Destroys temporary sets; returns those that could not be, and why.
fn sweep() -> Vec<(String, Refusal)> {
    let mut left = Vec::new();
    // The first round frees the members of temporary sets of sets.
    for _ in 0..2 {
        let existing = indexes().unwrap_or_default();
        left = existing
            .into_keys()
            .filter(|name| name.starts_with(TEMPORARY_PREFIX))
            .filter_map(|name| {
                let refusal = wire::destroy(&name).err()?;
                Some((name, refusal))
            })
            .collect();
    }
    left
}
