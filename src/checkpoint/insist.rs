//! nf_tables in a rollback: it comes through while others commit all the time.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::nftables::{Compare, Error, Look, Ruleset, TableId, bring, bring_unchecked, force};

/// How long each way of restoring may be overtaken by others before the next one is tried.
pub const OVERTAKEN_MAX: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Brings `tables` to what `target` holds: as an apply does; where others are always
/// faster, without the kernel's check that nobody was; where they keep changing `tables`
/// themselves, or nothing can be read, by deleting and creating those.
///
/// # Errors
/// What the kernel says to the last way that was tried.
pub fn insist(target: &Ruleset, tables: &[TableId]) -> Result<(), Error> {
    // A way that the kernel refuses is one that did not work: the next one may.
    let done =
        checked(target, tables).unwrap_or(false) || unchecked(target, tables).unwrap_or(false);
    if done { Ok(()) } else { force(target, tables) }
}

/// As an apply does; whether it was not overtaken all the time.
fn checked(target: &Ruleset, tables: &[TableId]) -> Result<bool, Error> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let limit = OVERTAKEN_MAX.saturating_sub(start.elapsed());
        let Ok(look) = Ruleset::look_at(tables, limit) else {
            return Ok(false);
        };
        if look.unsettled.is_empty() {
            match bring(&look.ruleset, target, tables) {
                Ok(()) => return Ok(true),
                Err(Error::Concurrent) => {}
                Err(other) => return Err(other),
            }
        }
        if start.elapsed() >= OVERTAKEN_MAX {
            return Ok(false);
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Without the check; whether it is seen to have worked.
fn unchecked(target: &Ruleset, tables: &[TableId]) -> Result<bool, Error> {
    let start = Instant::now();
    while start.elapsed() < OVERTAKEN_MAX {
        let limit = OVERTAKEN_MAX.saturating_sub(start.elapsed());
        let Ok(Look { ruleset, unsettled }) = Ruleset::look_at(tables, limit) else {
            return Ok(false);
        };
        if !unsettled.is_empty() {
            return Ok(false);
        }
        match bring_unchecked(&ruleset, target, tables) {
            Ok(()) => {}
            // Somebody changed one of them in between.
            Err(Error::Refused { .. }) => continue,
            Err(other) => return Err(other),
        }
        let limit = OVERTAKEN_MAX.saturating_sub(start.elapsed());
        let Ok(Look { ruleset, unsettled }) = Ruleset::look_at(tables, limit) else {
            return Ok(false);
        };
        let differing = target.differing(&ruleset, Compare::Live);
        let is_wrong = |id| differing.contains(id) || unsettled.contains(id);
        if !tables.iter().any(is_wrong) {
            return Ok(true);
        }
    }
    Ok(false)
}
