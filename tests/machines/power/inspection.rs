//! What is found after a boot: see `inspect.sh`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::vm::Vm;

/// Rules of one version, as `story.sh` makes them.
const RULES: u32 = 200;

/// What is in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of one version, and nothing else.
    Version(u32),
    /// Anything else.
    Mixture(String),
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "v{version}"),
            Self::Mixture(what) => write!(f, "a mixture: {what}"),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Count {
    zeros: u32,
    ends: u32,
    rules: BTreeMap<u32, u32>,
}

/// A transaction before `recover` has looked at it; all empty where there was none.
#[derive(Debug, Default)]
pub struct Found {
    pub id: String,
    /// Whether the checkpoint had been written.
    pub checkpoint: bool,
    /// The last one in the journal.
    pub state: Option<String>,
}

/// Everything.
#[derive(Debug)]
pub struct Inspection {
    values: BTreeMap<String, String>,
}

impl Inspection {
    /// Looks.
    #[track_caller]
    pub fn of(vm: &mut Vm) -> Self {
        let output = vm.run(include_str!("inspect.sh")).exits(0);
        let named = |line: &str| {
            let (name, value) = line.strip_prefix("@@ ")?.split_once(' ')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Self {
            values: output.out.lines().filter_map(named).collect(),
        }
    }

    /// What was found under a name.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        let found = self.values.get(name);
        found.unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    /// What is in a place.
    #[track_caller]
    pub fn holds(&self, place: &str) -> Holds {
        let text = self.text(place);
        let count: Count =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match count.rules.iter().next() {
            Some((&version, &RULES))
                if count.rules.len() == 1 && count.zeros == 0 && count.ends > 0 =>
            {
                Holds::Version(version)
            }
            Some(_) | None => Holds::Mixture(text.to_owned()),
        }
    }

    /// The newest transaction as the boot found it.
    pub fn found(&self) -> Found {
        let Some(text) = self.values.get("found") else {
            return Found::default();
        };
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (id, checkpoint, record) = (word().to_owned(), word() == "true", word());
        let record: Option<Value> = serde_json::from_str(record).ok();
        let state = record.and_then(|record| Some(record["state"]["name"].as_str()?.to_owned()));
        Found {
            id,
            checkpoint,
            state,
        }
    }

    /// Past transactions: ID and outcome.
    #[track_caller]
    pub fn history(&self) -> BTreeMap<String, String> {
        let text = self.text("history");
        let entries: Vec<Value> =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        entries
            .iter()
            .map(|entry| (text(entry, "transaction"), text(entry, "outcome")))
            .collect()
    }
}
