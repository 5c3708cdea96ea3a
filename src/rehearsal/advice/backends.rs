//! Rules in legacy tables and in `nf_tables` at once.

use super::study::{Piece, Study, Weight};
use crate::checkpoint::Part;
use crate::legacy::{Family, is_pristine};
use crate::rehearsal::report::Advice;

/// Says so.
pub fn advise(study: &Study<'_>) -> Vec<Piece> {
    let after = study.input.compiled;
    let legacy: Vec<String> = Family::ALL
        .into_iter()
        .flat_map(|family| after.legacy.of(family).iter().map(move |one| (family, one)))
        .filter(|(_, (_, text))| !is_pristine(text))
        .map(|(family, (table, _))| Part::Legacy(family, table.clone()).to_string())
        .collect();
    let filters = study.after.chains.iter().find(|chain| {
        let live = chain.base.is_some_and(|base| base.drops) || !chain.rules.is_empty();
        let is_nft = matches!(&chain.part, Part::Nft(id) if !matches!(id.family, 3 | 7));
        chain.base.is_some() && live && is_nft
    });
    let (Some(first), Some(chain)) = (legacy.first(), filters) else {
        return Vec::new();
    };
    let more = match legacy.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let message = format!(
        "two firewalls are live at once: {first}{more}, and {} of nf_tables. A packet has to pass both, \
         and each tool shows only its own. Keep one: load all rules in one way, and empty the other \
         (`iptables-legacy -F`, `nft flush table`)",
        chain.part
    );
    vec![Piece {
        weight: Weight::Idle,
        advice: Advice {
            file: None,
            line: None,
            message,
        },
    }]
}
