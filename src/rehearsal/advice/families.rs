//! One family closed, the other open.

use super::study::{FLEETING_PORT, ODD_PORT, Piece, Study, Weight, family};
use crate::rehearsal::anatomy::{Chain, Hook, Walk};

/// Says which.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for closed_v6 in [false, true] {
        let open_v6 = !closed_v6;
        let (Some(address), Some(_)) = (study.global(open_v6), study.global(closed_v6)) else {
            continue;
        };
        let Some((chain, rule)) = closed(study, closed_v6) else {
            continue;
        };
        if !is_open(study, open_v6) || !study.is_own(chain) {
            continue;
        }
        let (closed, open) = (family(closed_v6), family(open_v6));
        let what = if study.is_iptables(chain) {
            let digit = if open_v6 { "v6" } else { "v4" };
            format!("give rules for {open} too ({digit}:FILE)")
        } else {
            "use a table of family inet, which is for both".to_owned()
        };
        let message = format!(
            "{open} is open while {closed} is closed ({}): all that listens on {address} can be \
             reached over {open}; {what}",
            study.name(chain, rule)
        );
        pieces.push(study.about(Weight::Open, chain, rule, message));
    }
    pieces
}

/// The chain, and the rule if it is one, that drops what no other rule knows.
fn closed<'a>(study: &'a Study<'_>, v6: bool) -> Option<(&'a Chain, Option<usize>)> {
    let packet = study
        .foreign(v6, true)
        .syn(Some(FLEETING_PORT), Some(ODD_PORT));
    let mut walk = Walk::new(&study.after, packet);
    let chain = walk.certainly_dropped(Hook::Input)?;
    let (chain, rule) = walk.end(chain);
    Some((chain, rule.map(|at| at + 1)))
}

fn is_open(study: &Study<'_>, v6: bool) -> bool {
    let packet = study
        .foreign(v6, true)
        .syn(Some(FLEETING_PORT), Some(ODD_PORT));
    let mut walk = Walk::new(&study.after, packet);
    [Hook::Ingress, Hook::Prerouting, Hook::Input]
        .into_iter()
        .all(|hook| walk.falls_through(hook))
}
