//! The rule that decided, in one line.

use std::fmt;

use super::Decision;

impl fmt::Display for Decision {
    /// Such as `rule 4 of chain INPUT, table ip filter (rules.v4:12): -A INPUT -j DROP`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spot.rule {
            Some(number) => write!(f, "rule {number} of chain {}", self.spot.chain)?,
            None => write!(f, "policy of chain {}", self.spot.chain)?,
        }
        write!(f, ", {}", self.spot.part)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})")?,
            (Some(file), None) => write!(f, " ({file})")?,
            (None, _) => {}
        }
        if self.text.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Part;
    use crate::legacy::Family;
    use crate::nftables::TableId;
    use crate::rehearsal::decide::Spot;

    fn decision(rule: Option<usize>, part: Part) -> Decision {
        Decision {
            spot: Spot {
                part,
                chain: "INPUT".to_owned(),
                rule,
                reply: false,
            },
            text: "-A INPUT -j DROP".to_owned(),
            file: Some("rules.v4".to_owned()),
            line: Some(12),
        }
    }

    fn ip_filter() -> Part {
        Part::Nft(TableId {
            family: 2,
            name: "filter".to_owned(),
        })
    }

    #[test]
    fn a_rule_with_its_place() {
        assert_eq!(
            decision(Some(4), ip_filter()).to_string(),
            "rule 4 of chain INPUT, table ip filter (rules.v4:12): -A INPUT -j DROP"
        );
    }

    #[test]
    fn a_policy_of_a_legacy_table() {
        let mut policy = decision(None, Part::Legacy(Family::V6, "filter".to_owned()));
        policy.text = "DROP".to_owned();
        assert_eq!(
            policy.to_string(),
            "policy of chain INPUT, ip6tables-legacy table filter (rules.v4:12): DROP"
        );
    }

    #[test]
    fn a_rule_of_others_has_no_file() {
        let mut rule = decision(Some(1), ip_filter());
        rule.file = None;
        rule.text.clear();
        assert_eq!(rule.to_string(), "rule 1 of chain INPUT, table ip filter");
    }
}
