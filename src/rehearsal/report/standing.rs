//! How something stands, before and after, in a word.

use super::page::Tone;
use super::{Decision, Row, Standing};

impl Standing {
    /// Whether data went both ways; `None`: not known.
    #[must_use]
    pub const fn is_open(&self) -> Option<bool> {
        match self {
            Self::Open => Some(true),
            Self::Rejected { .. } | Self::Blocked { .. } => Some(false),
            Self::NotRehearsed { .. } => None,
        }
    }

    /// The rule that decided against it, where it was seen.
    #[must_use]
    pub const fn by(&self) -> Option<&Decision> {
        match self {
            Self::Rejected { by } | Self::Blocked { by } => by.as_ref(),
            Self::Open | Self::NotRehearsed { .. } => None,
        }
    }

    /// Whether a reader would see the same word.
    fn reads_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotRehearsed { reason }, Self::NotRehearsed { reason: theirs }) => {
                reason == theirs
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// What becomes of something, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing, as far as is known.
    Same,
    /// It stays closed, in another way.
    Otherwise,
    /// It becomes open.
    Gained,
    /// It is known only before, or only after.
    Doubtful,
    /// It is no longer open.
    Lost,
}

impl Change {
    /// From `before`, where there is one, to `after`.
    pub fn of(before: Option<&Standing>, after: &Standing) -> Self {
        let Some(before) = before else {
            return Self::Same;
        };
        match (before.is_open(), after.is_open()) {
            (Some(true), Some(false)) => Self::Lost,
            (Some(false), Some(true)) => Self::Gained,
            (Some(_), None) | (None, Some(_)) => Self::Doubtful,
            (Some(false), Some(false)) if !before.reads_like(after) => Self::Otherwise,
            (Some(_), Some(_)) | (None, None) => Self::Same,
        }
    }

    /// What stands in the margin, and what it means.
    pub const fn margin(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Same => None,
            Self::Otherwise => Some(("~", "closed in another way")),
            Self::Gained => Some(("+", "gained")),
            Self::Doubtful => Some(("?", "unknown before or after")),
            Self::Lost => Some(("!", "lost")),
        }
    }

    /// How it is coloured.
    pub const fn tone(self) -> Tone {
        match self {
            Self::Same => Tone::Plain,
            Self::Otherwise | Self::Doubtful => Tone::Doubt,
            Self::Gained => Tone::Good,
            Self::Lost => Tone::Bad,
        }
    }
}

/// The reasons why something was not rehearsed, each with its number.
#[derive(Debug, Default)]
pub struct Footnotes {
    /// In the order of their numbers, from 1.
    pub reasons: Vec<String>,
}

impl Footnotes {
    /// The mark of `reason`, such as `?[1]`.
    fn mark(&mut self, reason: &str) -> String {
        let known = self.reasons.iter().position(|one| one == reason);
        let index = known.unwrap_or_else(|| {
            self.reasons.push(reason.to_owned());
            self.reasons.len() - 1
        });
        format!("?[{}]", index + 1)
    }

    /// `standing` in a word.
    pub fn word(&mut self, standing: &Standing) -> String {
        match standing {
            Standing::Open => "open".to_owned(),
            Standing::Rejected { .. } => "rejected".to_owned(),
            Standing::Blocked { .. } => "blocked".to_owned(),
            Standing::NotRehearsed { reason } => self.mark(reason),
        }
    }

    /// What becomes of `row`: one word where nothing does, else `open -> BLOCKED`.
    pub fn words(&mut self, row: &Row) -> String {
        let after = self.word(&row.after);
        match &row.before {
            Some(before) if !before.reads_like(&row.after) => {
                let loud = match Change::of(Some(before), &row.after) {
                    Change::Lost => after.to_uppercase(),
                    Change::Same | Change::Otherwise | Change::Gained | Change::Doubtful => after,
                };
                format!("{} -> {loud}", self.word(before))
            }
            Some(_) | None => after,
        }
    }
}

/// What becomes of `row`.
pub fn change(row: &Row) -> Change {
    Change::of(row.before.as_ref(), &row.after)
}

/// Whether two rows read the same.
pub fn alike(one: &Row, other: &Row) -> bool {
    let befores = match (&one.before, &other.before) {
        (Some(one), Some(other)) => one.reads_like(other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    befores && one.after.reads_like(&other.after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKED: Standing = Standing::Blocked { by: None };
    const REJECTED: Standing = Standing::Rejected { by: None };

    fn unknown() -> Standing {
        Standing::NotRehearsed {
            reason: "why".to_owned(),
        }
    }

    #[test]
    fn every_change_has_its_mark() {
        for (before, after, change) in [
            (Standing::Open, Standing::Open, Change::Same),
            (Standing::Open, BLOCKED, Change::Lost),
            (Standing::Open, REJECTED, Change::Lost),
            (Standing::Open, unknown(), Change::Doubtful),
            (BLOCKED, Standing::Open, Change::Gained),
            (REJECTED, Standing::Open, Change::Gained),
            (BLOCKED, BLOCKED, Change::Same),
            (BLOCKED, REJECTED, Change::Otherwise),
            (BLOCKED, unknown(), Change::Doubtful),
            (unknown(), BLOCKED, Change::Doubtful),
            (unknown(), Standing::Open, Change::Doubtful),
            (unknown(), unknown(), Change::Same),
        ] {
            assert_eq!(Change::of(Some(&before), &after), change);
        }
        assert_eq!(Change::of(None, &BLOCKED), Change::Same);
    }

    #[test]
    fn one_reason_has_one_number() {
        let mut notes = Footnotes::default();
        assert_eq!(notes.word(&unknown()), "?[1]");
        let other = Standing::NotRehearsed {
            reason: "else".to_owned(),
        };
        assert_eq!(notes.word(&other), "?[2]");
        assert_eq!(notes.word(&unknown()), "?[1]");
        assert_eq!(notes.reasons, ["why", "else"]);
    }
}
