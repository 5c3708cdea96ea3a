//! Why a candidate cannot be used.

use crate::exec;
use crate::exit::Exit;

/// Why a candidate cannot be read, recognised or loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments do not go together.
    #[error("{0}")]
    Arguments(String),
    /// The file as a whole cannot be used.
    #[error("{name}: {reason}")]
    Input {
        /// The file as the user named it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One line shows that the file cannot be used.
    #[error("{name}:{line}: {reason}")]
    Line {
        /// The file as the user named it.
        name: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The tool refused the file.
    #[error("{}: {message}{}", place(name, *line), quoted(source_line.as_ref()))]
    Refused {
        /// The file as the user named it, or the file that it includes.
        name: String,
        /// Line number, from 1, where the tool named one.
        line: Option<usize>,
        /// What the tool said, without its own name.
        message: String,
        /// The offending line, trimmed.
        source_line: Option<String>,
    },
    /// The tool is missing, could not be started or was killed.
    #[error(transparent)]
    Tool(#[from] exec::Error),
}

impl Error {
    /// The exit status that this error leads to: [`Exit::Usage`] for what is wrong before any
    /// tool ran, [`Exit::Failed`] for what a tool refused.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Arguments(_) | Self::Input { .. } | Self::Line { .. } => Exit::Usage,
            Self::Refused { .. } | Self::Tool(_) => Exit::Failed,
        }
    }
}

fn place(name: &str, line: Option<usize>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
}

fn quoted(line: Option<&String>) -> String {
    line.map_or_else(String::new, |line| format!("\n    {line}"))
}
