//! Source ports as a new connection would have them.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::rand::{GetRandomFlags, getrandom};

/// The kernel's own choice (`net.ipv4.ip_local_port_range`), from here
const FIRST: u32 = 32768;
/// up to 60999.
const COUNT: u32 = 60999 - FIRST + 1;
/// Has no divisor in common with the count: every port has its turn before one comes again.
const STRIDE: u32 = 7919;
const UNSET: u32 = u32::MAX;

static PLACE: AtomicU32 = AtomicU32::new(UNSET);

/// A port that this process has not used of late: no state that conntrack or the rules keep
/// about an earlier probe meets a later one. Ports in `avoided` are skipped.
pub(super) fn fresh(avoided: &[u16]) -> u16 {
    if PLACE.load(Ordering::Relaxed) == UNSET {
        let start = random() % COUNT;
        let _ = PLACE.compare_exchange(UNSET, start, Ordering::Relaxed, Ordering::Relaxed);
    }
    let mut port = 0;
    for _ in 0..=avoided.len() {
        let step = |place: u32| Some((place + STRIDE) % COUNT);
        let place = PLACE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let place = place.unwrap_or_else(|place| place);
        port = u16::try_from(FIRST + place).unwrap_or(u16::MAX);
        if !avoided.contains(&port) {
            break;
        }
    }
    port
}

/// A random number; 0 where the kernel has none to give.
pub(super) fn random() -> u32 {
    let mut bytes = [0; 4];
    let _ = getrandom(&mut bytes, GetRandomFlags::NONBLOCK);
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_fresh_and_not_those_to_be_avoided() {
        let avoided: Vec<u16> = (32768..33000).collect();
        let ports: Vec<u16> = (0..2000).map(|_| fresh(&avoided)).collect();
        let different: BTreeSet<_> = ports.iter().copied().collect();
        assert_eq!(different.len(), ports.len());
        assert!(ports.iter().all(|port| (33000..=60999).contains(port)));
    }
}
