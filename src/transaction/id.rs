//! The ID of a transaction, such as `20261122-121643-k7`: sorts by time, short enough to type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Names one transaction; also the name of its directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// A new ID from the time (UTC) and two random characters.
    #[must_use]
    pub fn generate() -> Self {
        let mut random = [0_u8; 2];
        if rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).is_err() {
            // The directory is created exclusively, so a clash is noticed.
            random = std::process::id().to_ne_bytes()[..2]
                .try_into()
                .unwrap_or_default();
        }
        let tail: String = random
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect();
        Self(format!(
            "{}-{tail}",
            chrono::Utc::now().format("%Y%m%d-%H%M%S")
        ))
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = |(at, byte): (usize, u8)| match at {
            8 | 15 => byte == b'-',
            0..15 => byte.is_ascii_digit(),
            _ => ALPHABET.contains(&byte),
        };
        if text.len() == 18 && text.bytes().enumerate().all(shape) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "'{text}' is not the ID of a transaction (such as 20261122-121643-k7); see 'safe-apply history'"
            ))
        }
    }
}
