//! What is told from inside the machine: see `story.sh`.

use serde_json::Value;

/// The changes that are made, in turn.
pub const KINDS: [Kind; 7] = [
    Kind::Kept,
    Kind::BootKept,
    Kind::Refused,
    Kind::NativeKept,
    Kind::BootRefused,
    Kind::Expired,
    Kind::NativeRefused,
];

/// What is changed, and how it is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kept,
    Refused,
    Expired,
    BootKept,
    BootRefused,
    NativeKept,
    NativeRefused,
}

impl Kind {
    /// Its name in the script.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::BootKept => "boot-kept",
            Self::BootRefused => "boot-refused",
            Self::NativeKept => "native-kept",
            Self::NativeRefused => "native-refused",
        }
    }

    /// Whether somebody confirms.
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Kept | Self::BootKept | Self::NativeKept)
    }

    /// Whether the candidate is the file that is loaded at boot.
    pub const fn is_boot(self) -> bool {
        matches!(self, Self::BootKept | Self::BootRefused)
    }

    /// Whether it is about nft's rules.
    pub const fn is_native(self) -> bool {
        matches!(self, Self::NativeKept | Self::NativeRefused)
    }
}

/// A line from the machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// What the person sees or does.
    Told(Vec<String>),
    /// An event of safe-apply's.
    Event(Value),
    /// Anything else, also what the cut has torn.
    Other(String),
}

impl Line {
    /// Reads a line.
    pub fn parse(text: &str) -> Self {
        if let Some(told) = text
            .strip_prefix("## ")
            .and_then(|rest| rest.strip_suffix(" ."))
        {
            return Self::Told(told.split(' ').map(str::to_owned).collect());
        }
        match serde_json::from_str::<Value>(text) {
            Ok(event) if event["event"].is_string() => Self::Event(event),
            Ok(_) | Err(_) => Self::Other(text.to_owned()),
        }
    }
}

/// What the person at the keyboard had come to know when the power went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belief {
    /// The boot files were being changed by hand.
    pub editing: bool,
    /// They have been put right by hand.
    pub mended: bool,
    /// safe-apply was started.
    pub started: bool,
    /// The change was said to be confirmed or committed.
    pub kept: bool,
    /// The change was said to be rolled back.
    pub restored: bool,
    /// The exit status.
    pub ended: Option<i32>,
    /// The last line but for what was torn.
    pub last: String,
}

impl Belief {
    /// A further line was seen.
    pub fn learns(&mut self, line: &Line) {
        match line {
            Line::Told(words) => {
                match words[0].as_str() {
                    "editing" => self.editing = true,
                    "mended" => self.mended = true,
                    "started" => self.started = true,
                    "confirmed" => self.kept = true,
                    "rolled" => self.restored = true,
                    "ended" => self.ended = words[1].parse().ok(),
                    _ => {}
                }
                self.last = words.join(" ");
            }
            Line::Event(event) => {
                let name = event["event"].as_str().unwrap_or_default();
                match name {
                    "confirmed" | "committed" | "persisted" => self.kept = true,
                    "rolled_back" => self.restored = true,
                    _ => {}
                }
                name.clone_into(&mut self.last);
            }
            Line::Other(_) => {}
        }
    }
}
