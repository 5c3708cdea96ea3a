//! A table in JSON: `{"backend":"nft","family":"ip","table":"filter"}`. For `#[serde(with)]`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::checkpoint::Part;
use crate::legacy::Family;
use crate::nftables::TableId;

/// The families of nf_tables (`NFPROTO_*`, `linux/netfilter.h`) by the names that nft has for them.
const FAMILIES: [(u8, &str); 6] = [
    (1, "inet"),
    (2, "ip"),
    (3, "arp"),
    (5, "netdev"),
    (7, "bridge"),
    (10, "ip6"),
];

/// Where rules are, as scripts see it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "lowercase")]
enum Place {
    Nft { family: String, table: String },
    Legacy { family: String, table: String },
    Ipset { set: String },
}

/// Writes `part`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(part: &Part, serializer: S) -> Result<S::Ok, S::Error> {
    let place = match part {
        Part::Nft(id) => Place::Nft {
            family: name(id.family),
            table: id.name.clone(),
        },
        Part::Legacy(family, table) => Place::Legacy {
            family: match family {
                Family::V4 => "ip",
                Family::V6 => "ip6",
            }
            .to_owned(),
            table: table.clone(),
        },
        Part::Set(set) => Place::Ipset { set: set.clone() },
    };
    place.serialize(serializer)
}

/// Reads a part.
///
/// # Errors
/// The deserializer's; a family that does not exist.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Part, D::Error> {
    let unknown = |family: &str| D::Error::custom(format!("{family:?} is no family"));
    Ok(match Place::deserialize(deserializer)? {
        Place::Nft { family, table } => Part::Nft(TableId {
            family: number(&family).ok_or_else(|| unknown(&family))?,
            name: table,
        }),
        Place::Legacy { family, table } => {
            let family = match family.as_str() {
                "ip" => Family::V4,
                "ip6" => Family::V6,
                other => return Err(unknown(other)),
            };
            Part::Legacy(family, table)
        }
        Place::Ipset { set } => Part::Set(set),
    })
}

fn name(number: u8) -> String {
    let known = FAMILIES.iter().find(|known| known.0 == number);
    known.map_or_else(|| number.to_string(), |known| known.1.to_owned())
}

fn number(name: &str) -> Option<u8> {
    let known = FAMILIES.iter().find(|known| known.1 == name);
    known.map_or_else(|| name.parse().ok(), |known| Some(known.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::decide::Spot;

    fn spot(part: Part) -> Spot {
        Spot {
            part,
            chain: "INPUT".to_owned(),
            rule: Some(4),
            reply: false,
        }
    }

    #[test]
    fn a_table_is_written_in_the_words_of_its_tool() {
        let part = Part::Nft(TableId {
            family: 2,
            name: "filter".to_owned(),
        });
        assert_eq!(
            serde_json::to_string(&spot(part)).unwrap(),
            r#"{"part":{"backend":"nft","family":"ip","table":"filter"},"chain":"INPUT","rule":4,"reply":false}"#
        );
    }

    #[test]
    fn every_part_comes_back() {
        let nft = (0..=u8::MAX).map(|family| {
            Part::Nft(TableId {
                family,
                name: "t".to_owned(),
            })
        });
        let others = [
            Part::Legacy(Family::V4, "nat".to_owned()),
            Part::Legacy(Family::V6, "raw".to_owned()),
            Part::Set("admins".to_owned()),
        ];
        for part in nft.chain(others) {
            let spot = spot(part);
            let text = serde_json::to_string(&spot).unwrap();
            assert_eq!(serde_json::from_str::<Spot>(&text).unwrap(), spot, "{text}");
        }
    }
}
