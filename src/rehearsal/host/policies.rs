//! Policy routing rules (`linux/fib_rules.h`).

use super::Error;
use super::lister::Lister;
use crate::netlink::address::{V4, V6};
use crate::netlink::route::{RTM_GETRULE, Request};
use crate::netlink::{Attributes, find};

/// `struct fib_rule_hdr`: family, lengths of destination and source, TOS, table, two
/// reserved bytes, action, flags.
const FIB_RULE_HDR_BYTES: usize = 12;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;
/// `FRA_SUPPRESS_PREFIXLEN` of a rule that suppresses nothing.
const NO_SUPPRESSION: u32 = u32::MAX;
const FR_ACT_TO_TBL: u8 = 1;
/// Priority and table of the rules that every network namespace begins with.
const OWN: [(u32, u32); 3] = [(0, 255), (32766, 254), (32767, 253)];

/// The rules of both families, but for the kernel's own three (IPv6: two).
///
/// # Errors
/// What the kernel says.
pub(super) fn read(kernel: &mut Lister, left_out: &mut Vec<String>) -> Result<Vec<Vec<u8>>, Error> {
    let mut policies = Vec::new();
    for (family, name, own) in [(V4, "IPv4", 3), (V6, "IPv6", 2)] {
        let mut header = [0; FIB_RULE_HDR_BYTES];
        header[0] = family;
        let request = Request::new(RTM_GETRULE, 0, &header);
        let all = kernel.list(
            "policy routing rules",
            &request,
            |found: &mut Vec<Vec<u8>>, bytes| {
                found.extend((bytes.first() == Some(&family)).then(|| bytes.to_vec()));
            },
        )?;
        let count = all.len();
        let others: Vec<_> = all.into_iter().filter(|rule| !is_own(rule)).collect();
        // A kernel without policy routing has none.
        if count > 0 && count - others.len() < own {
            left_out.push(format!(
                "one of the kernel's own {name} policy routing rules is gone: routes may differ"
            ));
        }
        policies.extend(others);
    }
    Ok(policies)
}

/// Whether it is one of the kernel's own: it selects nothing and looks up the table of its priority.
fn is_own(rule: &[u8]) -> bool {
    let Some((header, attributes)) = rule.split_first_chunk::<FIB_RULE_HDR_BYTES>() else {
        return false;
    };
    let [_, destination, source, tos, table, _, _, action, flags @ ..] = *header;
    let of = |kind| find(attributes, kind).and_then(|one| one.ne32());
    let place = (
        of(FRA_PRIORITY).unwrap_or(0),
        of(FRA_TABLE).unwrap_or(u32::from(table)),
    );
    let selects = Attributes::new(attributes).any(|one| match one.kind() {
        FRA_PRIORITY | FRA_TABLE | FRA_PROTOCOL => false,
        FRA_SUPPRESS_PREFIXLEN => one.ne32() != Some(NO_SUPPRESSION),
        _ => true,
    });
    OWN.contains(&place)
        && action == FR_ACT_TO_TBL
        && [destination, source, tos] == [0; 3]
        && flags == [0; 4]
        && !selects
}
